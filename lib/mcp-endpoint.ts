/** The MCP function and the API in front of it. */
import { CfnOutput, Stack } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  AuthorizationType,
  EndpointType,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  ResponseTransferMode,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import { HttpApi, HttpMethod, HttpNoneAuthorizer, LogGroupLogDestination as HttpLogDestination } from 'aws-cdk-lib/aws-apigatewayv2';
import { HttpIamAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers';
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations';
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { type Authorization, authorizationEnvironment } from './authorization.ts';
import { bundledFunction } from './bundled-function.ts';
import { BUFFERED_TIMEOUT, STREAMING_TIMEOUT } from './limits.ts';
import { backendOf, networkOf, storageEnvironment, type TaskStorage } from './storage.ts';
import type { TaskQueue } from './task-queue.ts';

/** `rest`: streams, every feature. `http`: about a third of the price a request, buffered: no subscriptions. `url`: a function URL, streams. */
export const API_KINDS = ['rest', 'http', 'url'] as const;
export type ApiKind = (typeof API_KINDS)[number];

export interface CustomDomain {
  readonly domainName: string;
  readonly certificate: ICertificate;
}

export interface McpEndpointProps {
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  readonly authorization: Authorization;
  /** A module whose default export is the list of tools. */
  readonly toolsEntry: string;
  /** @default 'rest' */
  readonly api?: ApiKind;
  /** REST APIs only. @default - API Gateway's own name */
  readonly customDomain?: CustomDomain;
  /** REST APIs only: the ARN of a web ACL. @default - none */
  readonly webAclArn?: string;
  /** Requests a second that are let through on average; APIs only. @default 100 */
  readonly throttlingRateLimit?: number;
  /** Requests that are let through at once; APIs only. @default 200 */
  readonly throttlingBurstLimit?: number;
  /** @default - not reserved */
  readonly reservedConcurrency?: number;
  /** @default 512 */
  readonly memoryMiB?: number;
  /** More variables for the function: server name, limits. @default - none */
  readonly environment?: Environment;
}

/** The path that the function serves MCP at. */
const MCP_PATH = 'mcp';
const STAGE = 'v1';

export class McpEndpoint extends Construct {
  readonly function: NodejsFunction;
  /** Where MCP clients connect. */
  readonly url: string;
  /** Absent for HTTP APIs and function URLs. */
  readonly restApi?: RestApi;
  readonly httpApi?: HttpApi;

  constructor(scope: Construct, id: string, props: McpEndpointProps) {
    super(scope, id);
    const { storage, queue, api = 'rest', customDomain } = props;
    const resourceUrl = customDomain === undefined ? undefined : `https://${customDomain.domainName}/${MCP_PATH}`;
    this.function = bundledFunction(this, 'Function', {
      entry: 'mcp.ts',
      description: 'MCP endpoint of durable tasks',
      timeout: api === 'http' ? BUFFERED_TIMEOUT : STREAMING_TIMEOUT,
      memoryMiB: props.memoryMiB ?? 512,
      backend: backendOf(storage),
      network: networkOf(storage),
      toolsEntry: props.toolsEntry,
      environment: {
        ...storageEnvironment(storage),
        ...authorizationEnvironment(props.authorization, resourceUrl),
        queueUrl: queue.queue.queueUrl,
        responseMode: api === 'http' ? 'buffered' : 'stream',
        ...props.environment,
      },
      ...(props.reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: props.reservedConcurrency }),
    });
    storage.grantTasks(this.function);
    queue.queue.grantSendMessages(this.function);
    switch (api) {
      case 'rest': {
        this.restApi = this.#createRestApi(props);
        this.url = resourceUrl ?? `${executeApiUrl(this, this.restApi.restApiId)}/${STAGE}/${MCP_PATH}`;
        break;
      }
      case 'http': {
        this.httpApi = this.#createHttpApi(props);
        this.url = `${executeApiUrl(this, this.httpApi.httpApiId)}/${MCP_PATH}`;
        break;
      }
      case 'url': {
        const url = this.function.addFunctionUrl({
          authType: props.authorization.mode === 'iam' ? FunctionUrlAuthType.AWS_IAM : FunctionUrlAuthType.NONE,
          invokeMode: InvokeMode.RESPONSE_STREAM,
        });
        this.url = `${url.url}${MCP_PATH}`;
        break;
      }
    }
    new CfnOutput(this, 'Url', { value: this.url, description: 'MCP endpoint' });
  }

  /** Lets a principal call the function itself with a JSON-RPC message, on behalf of whatever owner it names. */
  grantDirectInvocation(grantee: IGrantable): void {
    this.function.grantInvoke(grantee);
  }

  #createRestApi(props: McpEndpointProps): RestApi {
    const { customDomain, webAclArn } = props;
    const accessLog = new LogGroup(this, 'AccessLog', { retention: RetentionDays.THREE_MONTHS });
    const api = new RestApi(this, 'Api', {
      description: 'MCP endpoint of durable tasks',
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: true,
      disableExecuteApiEndpoint: customDomain !== undefined,
      deployOptions: {
        stageName: STAGE,
        throttlingRateLimit: props.throttlingRateLimit ?? 100,
        throttlingBurstLimit: props.throttlingBurstLimit ?? 200,
        metricsEnabled: true,
        loggingLevel: MethodLoggingLevel.ERROR,
        // Bodies hold arguments and results.
        dataTraceEnabled: false,
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
      },
      ...(customDomain === undefined
        ? {}
        : { domainName: { domainName: customDomain.domainName, certificate: customDomain.certificate } }),
    });
    const integration = new LambdaIntegration(this.function, {
      proxy: true,
      responseTransferMode: ResponseTransferMode.STREAM,
      timeout: STREAMING_TIMEOUT,
    });
    const authorizationType = props.authorization.mode === 'iam' ? AuthorizationType.IAM : AuthorizationType.NONE;
    api.root.addProxy({ defaultIntegration: integration, defaultMethodOptions: { authorizationType } });
    if (webAclArn !== undefined) {
      new CfnWebACLAssociation(this, 'WebAcl', { webAclArn, resourceArn: api.deploymentStage.stageArn });
    }
    return api;
  }

  #createHttpApi(props: McpEndpointProps): HttpApi {
    const api = new HttpApi(this, 'HttpApi', { description: 'MCP endpoint of durable tasks', createDefaultStage: false });
    const accessLog = new LogGroup(this, 'AccessLog', { retention: RetentionDays.THREE_MONTHS });
    api.addStage('Stage', {
      autoDeploy: true,
      throttle: { rateLimit: props.throttlingRateLimit ?? 100, burstLimit: props.throttlingBurstLimit ?? 200 },
      accessLogSettings: { destination: new HttpLogDestination(accessLog) },
    });
    api.addRoutes({
      path: '/{proxy+}',
      methods: [HttpMethod.ANY],
      integration: new HttpLambdaIntegration('Integration', this.function),
      authorizer: props.authorization.mode === 'iam' ? new HttpIamAuthorizer() : new HttpNoneAuthorizer(),
    });
    return api;
  }
}

function executeApiUrl(scope: Construct, apiId: string): string {
  const { region, urlSuffix } = Stack.of(scope);
  return `https://${apiId}.execute-api.${region}.${urlSuffix}`;
}
