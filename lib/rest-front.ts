/** A regional REST API that streams what the function answers, with access log, throttling, own domain and web ACL. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { CfnOutput, type Duration, Names, Stack, Validations } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  AuthorizationType,
  EndpointType,
  type IResource,
  LambdaIntegration,
  LogGroupLogDestination,
  type Method,
  MethodLoggingLevel,
  ResponseTransferMode,
  ResponseType,
  RestApi,
  SecurityPolicy,
} from 'aws-cdk-lib/aws-apigateway';
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import {
  AccountPrincipal,
  AnyPrincipal,
  Grant,
  type IGrantable,
  PolicyDocument,
  PolicyStatement,
} from 'aws-cdk-lib/aws-iam';
import { CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import { MCP_PATH, METADATA_PATHS } from '../lambda/shared/words.ts';
import { type Front, type FrontProps, PREFLIGHTS_ARE_OPEN, type Throttling } from './front.ts';
import { STREAMING_TIMEOUT } from './limits.ts';
import { logGroup } from './log-settings.ts';

export interface CustomDomain {
  readonly domainName: string;
  /** In the API's region. */
  readonly certificate: ICertificate;
}

export interface RestFrontProps extends FrontProps, Throttling {
  /** @default - API Gateway's own name */
  readonly customDomain?: CustomDomain | undefined;
  /** @default - none */
  readonly webAclArn?: string | undefined;
  /** Sets the role with which API Gateway writes logs, of which an account has one a region. @default true */
  readonly apiGatewayLogRole?: boolean | undefined;
  /** @default false */
  readonly tracing?: boolean | undefined;
}

const STAGE = 'v1';

export class RestFront extends Construct implements Front {
  readonly api: RestApi;
  readonly url: string;

  constructor(scope: Construct, id: string, props: RestFrontProps) {
    super(scope, id);
    const { customDomain, webAclArn } = props;
    this.api = this.#createApi(props);
    this.#addMethods(props, webAclArn !== undefined);
    const { region, urlSuffix } = Stack.of(this);
    this.url = `https://${this.api.restApiId}.execute-api.${region}.${urlSuffix}/${STAGE}${MCP_PATH}`;
    if (customDomain !== undefined) this.#addDomain(customDomain);
    if (webAclArn !== undefined) {
      new CfnWebACLAssociation(this, 'WebAcl', { webAclArn, resourceArn: this.api.deploymentStage.stageArn });
    }
  }

  metricServerErrors(period: Duration): Metric {
    return this.api.metricServerError({ period, statistic: 'Sum' });
  }

  metricRequests(period: Duration): Metric {
    return this.api.metricCount({ period, statistic: 'Sum' });
  }

  grantConnect(grantee: IGrantable): void {
    const resourceArns = [this.api.arnForExecuteApi('*', MCP_PATH, STAGE)];
    Grant.addToPrincipal({ grantee, actions: ['execute-api:Invoke'], resourceArns });
  }

  #createApi(props: RestFrontProps): RestApi {
    const { apiGatewayLogRole = true, tracing = false, callerAccounts = [], allowedOrigins } = props;
    const accessLog = logGroup(this, 'AccessLog', props.logs);
    const api = new RestApi(this, 'Api', {
      restApiName: Names.uniqueResourceName(this, { maxLength: 60, separator: '-' }),
      description: 'MCP endpoint of durable tasks',
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: apiGatewayLogRole,
      disableExecuteApiEndpoint: props.customDomain !== undefined,
      ...(callerAccounts.length === 0 ? {} : { policy: policyFor(callerAccounts, allowedOrigins !== undefined) }),
      deployOptions: {
        stageName: STAGE,
        throttlingRateLimit: props.throttlingRateLimit,
        throttlingBurstLimit: props.throttlingBurstLimit,
        metricsEnabled: true,
        tracingEnabled: tracing,
        loggingLevel: MethodLoggingLevel.ERROR,
        // Bodies hold arguments and results.
        dataTraceEnabled: false,
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
      },
    });
    if (apiGatewayLogRole) {
      Validations.of(api).acknowledge({
        id: 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
        reason: 'The policy that API Gateway asks for to write logs; it is for the service, in the whole account.',
      });
    }
    return api;
  }

  /** Only the paths that are served: whatever else somebody tries does not reach the function. */
  #addMethods({ handler, authorization, allowedOrigins }: RestFrontProps, hasWebAcl: boolean): void {
    const integration = new LambdaIntegration(handler, {
      proxy: true,
      responseTransferMode: ResponseTransferMode.STREAM,
      timeout: STREAMING_TIMEOUT,
      allowTestInvoke: false,
    });
    const authorizationType = authorization.mode === 'iam' ? AuthorizationType.IAM : AuthorizationType.NONE;
    const at = (path: string): IResource => this.api.root.resourceForPath(path);
    const methods = [at(MCP_PATH).addMethod('ANY', integration, { authorizationType })];
    if (authorization.mode === 'jwt') {
      for (const path of METADATA_PATHS) {
        methods.push(...['GET', 'OPTIONS'].map((name) => at(path).addMethod(name, integration, { authorizationType })));
      }
    }
    if (allowedOrigins !== undefined) this.#letBrowsersAsk(at(MCP_PATH), integration, authorization);
    acknowledgeValidation(this.api);
    if (!hasWebAcl) acknowledgeNoWebAcl(this.api);
    for (const method of methods) acknowledgeAuthorization(method, authorization.mode);
  }

  #letBrowsersAsk(path: IResource, integration: LambdaIntegration, { mode }: RestFrontProps['authorization']): void {
    if (mode === 'iam') {
      const preflights = path.addMethod('OPTIONS', integration, { authorizationType: AuthorizationType.NONE });
      Validations.of(preflights).acknowledge({ id: 'AwsSolutions-APIG4', reason: PREFLIGHTS_ARE_OPEN });
    }
    // What API Gateway itself refuses says nothing of anybody's tasks, and can name one origin or all.
    for (const type of [ResponseType.DEFAULT_4XX, ResponseType.DEFAULT_5XX]) {
      this.api.addGatewayResponse(type.responseType, {
        type,
        responseHeaders: {
          'Access-Control-Allow-Origin': "'*'",
          'Access-Control-Expose-Headers': "'retry-after, x-amzn-errortype, x-amzn-requestid'",
        },
      });
    }
  }

  #addDomain({ domainName, certificate }: CustomDomain): void {
    const domain = this.api.addDomainName('Domain', {
      domainName,
      certificate,
      endpointType: EndpointType.REGIONAL,
      securityPolicy: SecurityPolicy.TLS_1_2,
    });
    new CfnOutput(this, 'DomainTarget', {
      value: domain.domainNameAliasDomainName,
      description: `Let ${domainName} point here (CNAME or alias)`,
    });
  }
}

/** For callers of other accounts both sides have to agree; for this account's its own policies go on being enough. */
function policyFor(accounts: readonly string[], fromBrowsers: boolean): PolicyDocument {
  const connecting = new PolicyStatement({
    principals: accounts.map((account) => new AccountPrincipal(account)),
    actions: ['execute-api:Invoke'],
    resources: [`execute-api:/${STAGE}/*${MCP_PATH}`],
  });
  if (!fromBrowsers) return new PolicyDocument({ statements: [connecting] });
  const asking = new PolicyStatement({
    principals: [new AnyPrincipal()],
    actions: ['execute-api:Invoke'],
    resources: [`execute-api:/${STAGE}/OPTIONS${MCP_PATH}`],
  });
  return new PolicyDocument({ statements: [connecting, asking] });
}

function acknowledgeValidation(api: RestApi): void {
  Validations.of(api).acknowledge({
    id: 'AwsSolutions-APIG2',
    reason: 'Bodies are JSON-RPC messages of many kinds; the server checks each against its own schema and its bounds.',
  });
}

function acknowledgeNoWebAcl(api: RestApi): void {
  Validations.of(api).acknowledge({
    id: 'AwsSolutions-APIG3',
    reason: 'Which rules fit is the deploying team’s choice: webAclArn associates their web ACL.',
  });
}

/** What the function does instead of API Gateway, and why. */
function acknowledgeAuthorization(method: Method, mode: FrontProps['authorization']['mode']): void {
  const instead = {
    jwt: 'The function verifies the token: only it can answer 401 and 403 as MCP prescribes. Metadata is public.',
    iam: 'IAM (SigV4) authorizes each request.',
    none: 'Asked for by name (auth=none), for trials.',
  };
  const rules = [
    ...(method.httpMethod === 'OPTIONS' ? [] : ['AwsSolutions-COG4']),
    ...(mode === 'iam' ? [] : ['AwsSolutions-APIG4']),
  ];
  Validations.of(method).acknowledge(...rules.map((id) => ({ id, reason: instead[mode] })));
}
