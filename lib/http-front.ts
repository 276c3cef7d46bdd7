/** An HTTP API: cheaper than a REST API, but it buffers; and a function URL, which streams and does nothing else. */
import { Duration, Stack, Validations } from 'aws-cdk-lib';
import { HttpApi, HttpMethod, HttpNoneAuthorizer, LogGroupLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { AccountPrincipal, Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import {
  type FunctionUrl,
  FunctionUrlAuthType,
  type IFunction,
  InvokeMode,
  HttpMethod as LambdaMethod,
} from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { MCP_PATH, METADATA_PATHS } from '../lambda/shared/words.ts';
import { type Front, type FrontProps, PREFLIGHTS_ARE_OPEN, type Throttling } from './front.ts';
import { logGroup } from './log-settings.ts';

export class HttpFront extends Construct implements Front {
  readonly api: HttpApi;
  readonly url: string;

  constructor(scope: Construct, id: string, props: FrontProps & Throttling) {
    super(scope, id);
    this.api = new HttpApi(this, 'Api', { description: 'MCP endpoint of durable tasks', createDefaultStage: false });
    const accessLog = logGroup(this, 'AccessLog', props.logs);
    this.api.addStage('Stage', {
      autoDeploy: true,
      detailedMetricsEnabled: true,
      throttle: { rateLimit: props.throttlingRateLimit, burstLimit: props.throttlingBurstLimit },
      accessLogSettings: { destination: new LogGroupLogDestination(accessLog) },
    });
    this.#addRoutes(props);
    const { region, urlSuffix } = Stack.of(this);
    this.url = `https://${this.api.httpApiId}.execute-api.${region}.${urlSuffix}${MCP_PATH}`;
  }

  metricServerErrors(period: Duration): Metric {
    return this.api.metricServerError({ period, statistic: 'Sum' });
  }

  metricRequests(period: Duration): Metric {
    return this.api.metricCount({ period, statistic: 'Sum' });
  }

  grantConnect(grantee: IGrantable): void {
    const resourceArns = [this.api.arnForExecuteApi('*', MCP_PATH)];
    Grant.addToPrincipal({ grantee, actions: ['execute-api:Invoke'], resourceArns });
  }

  /** Only the paths that are served: whatever else somebody tries does not reach the function. */
  #addRoutes({ handler, authorization, allowedOrigins }: FrontProps): void {
    const integration = new HttpLambdaIntegration('Integration', handler);
    const authorizer = authorization.mode === 'iam' ? new HttpIamAuthorizer() : new HttpNoneAuthorizer();
    const routes = this.api.addRoutes({ path: MCP_PATH, methods: [HttpMethod.ANY], integration, authorizer });
    if (authorization.mode === 'jwt') {
      const methods = [HttpMethod.GET, HttpMethod.OPTIONS];
      for (const path of METADATA_PATHS) {
        routes.push(...this.api.addRoutes({ path, methods, integration, authorizer }));
      }
    }
    if (authorization.mode === 'iam') {
      if (allowedOrigins !== undefined) this.#addPreflights(integration);
      return;
    }
    const reason =
      authorization.mode === 'none'
        ? 'Asked for by name (auth=none), for trials.'
        : 'The function verifies the token: only it can answer 401 and 403 as MCP prescribes. Metadata is public.';
    for (const route of routes) Validations.of(route).acknowledge({ id: 'AwsSolutions-APIG4', reason });
  }

  /** A browser cannot sign what it asks beforehand; the function answers it, and nothing else of this method. */
  #addPreflights(integration: HttpLambdaIntegration): void {
    const authorizer = new HttpNoneAuthorizer();
    const methods = [HttpMethod.OPTIONS];
    for (const route of this.api.addRoutes({ path: MCP_PATH, methods, integration, authorizer })) {
      Validations.of(route).acknowledge({ id: 'AwsSolutions-APIG4', reason: PREFLIGHTS_ARE_OPEN });
    }
  }
}

/** As the function would allow and expose them. Lambda takes no method of more than six letters. */
const SIGNED_FROM_PAGES = {
  allowedMethods: [LambdaMethod.POST, LambdaMethod.GET, LambdaMethod.DELETE],
  allowedHeaders: [
    ...['authorization', 'content-type', 'accept'],
    ...['mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-session-id', 'last-event-id'],
    ...['traceparent', 'tracestate', 'baggage'],
    ...['x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256'],
  ],
  exposedHeaders: [
    ...['www-authenticate', 'x-amzn-remapped-www-authenticate', 'mcp-session-id', 'mcp-protocol-version'],
    ...['retry-after', 'allow'],
  ],
  maxAge: Duration.hours(2),
};

export interface UrlFrontProps extends FrontProps {
  /** Behind the handler; what Lambda counts requests by. */
  readonly function: IFunction;
}

export class UrlFront extends Construct implements Front {
  readonly url: string;
  readonly #function: IFunction;
  readonly #functionUrl: FunctionUrl;

  constructor(scope: Construct, id: string, props: UrlFrontProps) {
    super(scope, id);
    const { handler, authorization, callerAccounts = [], allowedOrigins } = props;
    this.#function = props.function;
    this.#functionUrl = handler.addFunctionUrl({
      authType: authorization.mode === 'iam' ? FunctionUrlAuthType.AWS_IAM : FunctionUrlAuthType.NONE,
      invokeMode: InvokeMode.RESPONSE_STREAM,
      // With IAM, what is not signed does not reach the function, and a browser does not sign what it asks beforehand.
      ...(authorization.mode === 'iam' && allowedOrigins !== undefined
        ? { cors: { allowedOrigins: [...allowedOrigins], ...SIGNED_FROM_PAGES } }
        : {}),
    });
    // The URL ends with a slash.
    this.url = `${this.#functionUrl.url}${MCP_PATH.slice(1)}`;
    for (const account of callerAccounts) this.#letIn(account, handler);
  }

  metricServerErrors(period: Duration): Metric {
    return this.#function.metric('Url5xxCount', { period, statistic: 'Sum' });
  }

  metricRequests(period: Duration): Metric {
    return this.#function.metric('UrlRequestCount', { period, statistic: 'Sum' });
  }

  /** By URL only: without that condition a caller could invoke the function itself, and name any owner. */
  grantConnect(grantee: IGrantable): void {
    this.#functionUrl.grantInvokeUrl(grantee);
  }

  /** As above, by URL only. */
  #letIn(account: string, handler: IFunction): void {
    const principal = new AccountPrincipal(account);
    handler.addPermission(`Url${account}`, {
      principal,
      action: 'lambda:InvokeFunctionUrl',
      functionUrlAuthType: FunctionUrlAuthType.AWS_IAM,
    });
    handler.addPermission(`Function${account}`, {
      principal,
      action: 'lambda:InvokeFunction',
      invokedViaFunctionUrl: true,
    });
  }
}
