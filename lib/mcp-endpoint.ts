/** The MCP function, and the API in front of it. */
/* oxlint-disable no-new -- A construct is made for its place in the tree. */
import { CfnOutput } from 'aws-cdk-lib';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { Alias, IFunction } from 'aws-cdk-lib/aws-lambda';
import type { NodejsFunction } from 'aws-cdk-lib/aws-lambda-nodejs';
import { Construct } from 'constructs';
import type { Environment } from '../lambda/shared/environment.ts';
import { type HeaderMode, MCP_PATH } from '../lambda/shared/words.ts';
import { type Authorization, authorizationEnvironment } from './authorization.ts';
import { bundledFunction, type FunctionNetwork } from './bundled-function.ts';
import { type ApiKind, type Front, NO_LOGIN_ON_A_STAGE, ORIGIN } from './front.ts';
import { HttpFront, UrlFront } from './http-front.ts';
import {
  BUFFERED_ANSWER_BYTES,
  BUFFERED_TIMEOUT,
  STREAM_SECONDS_BOUNDS,
  STREAMING_TIMEOUT,
  THROTTLING_BURST_LIMIT,
  THROTTLING_RATE_LIMIT,
} from './limits.ts';
import type { LogSettings } from './log-settings.ts';
import { type CustomDomain, RestFront } from './rest-front.ts';
import { liveAlias, type Rollout } from './rollout.ts';
import type { TaskStorage } from './storage.ts';
import type { TaskQueue } from './task-queue.ts';

export interface McpEndpointProps {
  readonly storage: TaskStorage;
  readonly queue: TaskQueue;
  readonly authorization: Authorization;
  /** A module whose default export is the list of tools. */
  readonly toolsEntry: string;
  /** @default 'rest' */
  readonly api?: ApiKind | undefined;
  /** REST APIs only. @default - API Gateway's own name */
  readonly customDomain?: CustomDomain | undefined;
  /** REST APIs only: the ARN of a web ACL. @default - none */
  readonly webAclArn?: string | undefined;
  /** Requests a second that are let through on average; not for function URLs. @default 100 */
  readonly throttlingRateLimit?: number | undefined;
  /** Requests that are let through at once; not for function URLs. @default 200 */
  readonly throttlingBurstLimit?: number | undefined;
  /** REST APIs only: sets the account's role for API Gateway's logs in this region. @default true */
  readonly apiGatewayLogRole?: boolean | undefined;
  /**
   * With authorization by IAM, REST APIs and function URLs: other accounts whose principals may connect, if their own
   * policies let them. @default - this account only
   */
  readonly callerAccounts?: readonly string[] | undefined;
  /**
   * Origins of web pages that may connect, as browsers send them: `https://app.example.com`. Others are refused then.
   * @default - no page of another origin can read an answer
   */
  readonly allowedOrigins?: readonly string[] | undefined;
  /**
   * `lenient`: requests without the header `Mcp-Name` or `Mcp-Method` are served, for clients that do not send them. Wrong ones
   * are refused all the same. @default 'strict'
   */
  readonly headers?: HeaderMode | undefined;
  /**
   * Whether clients that do not support tasks find tools with which their model follows, answers, cancels and lists tasks.
   * Without them such a client cannot come back to a task that takes longer than its call is kept open. @default false
   */
  readonly taskTools?: boolean | undefined;
  /** @default 'all-at-once' */
  readonly rollout?: Rollout | undefined;
  /** With the table only: a cache's functions run in its network. @default - in no network of ours */
  readonly network?: FunctionNetwork | undefined;
  /** Of function and API. @default - from `info` on, for three months */
  readonly logs?: LogSettings | undefined;
  /** Taken from the account for this function alone, and its upper bound. @default - not reserved */
  readonly reservedConcurrency?: number | undefined;
  /** @default 512 */
  readonly memoryMiB?: number | undefined;
  /** X-Ray traces. @default false */
  readonly tracing?: boolean | undefined;
  /**
   * How long a stream stays open, in seconds, from 10 to 870: nobody tells Lambda that a client has gone. Clients reconnect,
   * and are shown how everything stands. Not for HTTP APIs, which do not stream. @default 300
   */
  readonly maxStreamSeconds?: number | undefined;
  /** More variables for the function: server name, limits. @default - none */
  readonly environment?: Environment | undefined;
}

export class McpEndpoint extends Construct {
  readonly function: NodejsFunction;
  /** What the API is connected to where traffic is shifted bit by bit. */
  readonly alias: Alias | undefined;
  readonly front: Front;
  /** Where MCP clients connect. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: McpEndpointProps) {
    super(scope, id);
    assertSupported(props);
    const {
      storage,
      queue,
      api = 'rest',
      customDomain,
      reservedConcurrency,
      tracing = false,
      maxStreamSeconds,
    } = props;
    const customUrl = customDomain === undefined ? undefined : `https://${customDomain.domainName}${MCP_PATH}`;
    this.function = bundledFunction(this, 'Function', {
      entry: 'mcp.ts',
      description: 'MCP endpoint of durable tasks',
      timeout: api === 'http' ? BUFFERED_TIMEOUT : STREAMING_TIMEOUT,
      memoryMiB: props.memoryMiB ?? 512,
      backend: storage.backend,
      network: storage.networkFor(props.network),
      toolsEntry: props.toolsEntry,
      logs: props.logs,
      environment: {
        ...storage.environment,
        ...authorizationEnvironment(props.authorization, customUrl),
        queueUrl: queue.queue.queueUrl,
        responseMode: api === 'http' ? 'buffered' : 'stream',
        ...answerLimitOf(api),
        ...originsEnvironment(props),
        maxStreamSeconds: maxStreamSeconds?.toString(),
        headers: props.headers,
        taskTools: props.taskTools?.toString(),
        ...props.environment,
      },
      reservedConcurrentExecutions: reservedConcurrency,
      tracing,
    });
    storage.grantTasks(this.function);
    queue.grantSend(this.function);
    this.alias = liveAlias(this, this.function, props.rollout ?? 'all-at-once');
    this.front = this.#createFront(api, props);
    this.url = customUrl ?? this.front.url;
    new CfnOutput(this, 'Url', { value: this.url, description: 'MCP endpoint' });
    const { functionName } = this.alias ?? this.function;
    new CfnOutput(this, 'FunctionName', { value: functionName, description: 'For direct invocation' });
  }

  /** Lets an IAM principal be an MCP client, as the owner that it is. For `authorization` by IAM. */
  grantConnect(grantee: IGrantable): void {
    this.front.grantConnect(grantee);
  }

  /** Lets a principal call the function itself with a JSON-RPC message, on behalf of whatever owner it names. */
  grantDirectInvocation(grantee: IGrantable): void {
    this.function.grantInvoke(grantee);
  }

  #createFront(api: ApiKind, props: McpEndpointProps): Front {
    const { authorization, callerAccounts, allowedOrigins, logs = {} } = props;
    const common = {
      handler: (this.alias ?? this.function) as IFunction,
      authorization,
      logs,
      callerAccounts,
      allowedOrigins,
    };
    const throttling = {
      throttlingRateLimit: props.throttlingRateLimit ?? THROTTLING_RATE_LIMIT,
      throttlingBurstLimit: props.throttlingBurstLimit ?? THROTTLING_BURST_LIMIT,
    };
    switch (api) {
      case 'rest': {
        const { customDomain, webAclArn, apiGatewayLogRole, tracing } = props;
        return new RestFront(this, 'Rest', {
          ...common,
          ...throttling,
          customDomain,
          webAclArn,
          apiGatewayLogRole,
          tracing,
        });
      }
      case 'http':
        return new HttpFront(this, 'Http', { ...common, ...throttling });
      case 'url':
        return new UrlFront(this, 'Direct', { ...common, function: this.function });
    }
  }
}

/** For the worker, too: what it stores must be readable. */
export function answerLimitOf(api: ApiKind): Environment {
  return api === 'http' ? { maxAnswerBytes: String(BUFFERED_ANSWER_BYTES) } : {};
}

/** Not where the service itself answers browsers: two `Access-Control-Allow-Origin` are none. */
function originsEnvironment({ api, authorization, allowedOrigins = [] }: McpEndpointProps): Environment {
  const isLeftToService = api === 'url' && authorization.mode === 'iam';
  return isLeftToService || allowedOrigins.length === 0 ? {} : { allowedOrigins: allowedOrigins.join(' ') };
}

function assertStreamBound(seconds: number, api: ApiKind): void {
  const { min, max } = STREAM_SECONDS_BOUNDS;
  if (!(Number.isInteger(seconds) && seconds >= min && seconds <= max)) {
    throw new Error(`maxStreamSeconds must be a whole number from ${min} to ${max}; it is ${seconds}.`);
  }
  if (api === 'http') throw new Error("maxStreamSeconds needs api 'rest' or 'url': an HTTP API does not stream.");
}

/** What an API cannot do is refused rather than left out in silence. */
function assertSupported(props: McpEndpointProps): void {
  const { api = 'rest', authorization, customDomain, webAclArn, callerAccounts, allowedOrigins = [] } = props;
  const { throttlingRateLimit, throttlingBurstLimit, maxStreamSeconds } = props;
  if (maxStreamSeconds !== undefined) assertStreamBound(maxStreamSeconds, api);
  if (api !== 'rest' && (customDomain !== undefined || webAclArn !== undefined)) {
    throw new Error(`customDomain and webAclArn need api 'rest'; it is '${api}'.`);
  }
  if (api === 'url' && (throttlingRateLimit ?? throttlingBurstLimit) !== undefined) {
    throw new Error("Function URLs cannot throttle; use reservedConcurrency, or api 'rest' or 'http'.");
  }
  if (callerAccounts !== undefined && (api === 'http' || authorization.mode !== 'iam')) {
    throw new Error("callerAccounts need authorization by 'iam' and api 'rest' or 'url'.");
  }
  const wrong = allowedOrigins.find((origin) => !ORIGIN.test(origin));
  if (wrong !== undefined) {
    throw new Error(
      `allowedOrigins are such as https://app.example.com, without a path; one is ${JSON.stringify(wrong)}.`,
    );
  }
  if (authorization.mode === 'jwt' && api === 'rest' && customDomain === undefined) {
    throw new Error(`${NO_LOGIN_ON_A_STAGE} Give customDomain, or api 'http' or 'url'.`);
  }
}
