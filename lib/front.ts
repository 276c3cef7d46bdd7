/** What stands in front of the MCP function, as the endpoint sees it: one shape for the three kinds of API. */
import type { Duration } from 'aws-cdk-lib';
import type { Metric } from 'aws-cdk-lib/aws-cloudwatch';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { Authorization } from './authorization.ts';
import type { LogSettings } from './log-settings.ts';

/**
 * `rest`: streams, every feature. `http`: about a third of the price a request, buffered: no subscriptions. `url`: a
 * function URL, streams; no throttling, access log, custom domain or web ACL.
 */
export const API_KINDS = ['rest', 'http', 'url'] as const;
export type ApiKind = (typeof API_KINDS)[number];

/**
 * Why tokens need a host of which the metadata can be at the root. The services rename `WWW-Authenticate` to
 * `x-amzn-Remapped-WWW-Authenticate` whatever a function does, so that clients see no challenge and ask where RFC 9728
 * says without one: `/.well-known/…` at the root of the host. That is API Gateway's, and not a stage's.
 */
export const NO_LOGIN_ON_A_STAGE =
  'Nobody could log in with tokens at a REST API without a domain of its own: API Gateway renames WWW-Authenticate, and the ' +
  'metadata that clients look for then is not below a stage.';

/** Why a method needs no authorization. */
export const PREFLIGHTS_ARE_OPEN =
  'A browser asks beforehand (CORS) without credentials; the function answers that for the allowed origins, and nothing else.';

/** As a browser sends it: with the port if it is not the scheme's own, and no path. */
export const ORIGIN =
  /^(?!http:.*:80$|https:.*:443$)[a-z][a-z0-9+.-]*:\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$/;

export interface FrontProps {
  /** The function, or the alias that stands for it. */
  readonly handler: IFunction;
  readonly authorization: Authorization;
  readonly logs: LogSettings;
  /** Other accounts whose principals may connect. @default - none */
  readonly callerAccounts?: readonly string[] | undefined;
  /** Of web pages that may connect. Their browsers ask beforehand, without credentials. @default - none */
  readonly allowedOrigins?: readonly string[] | undefined;
}

export interface Throttling {
  readonly throttlingRateLimit: number;
  readonly throttlingBurstLimit: number;
}

export interface Front {
  /** Where MCP clients connect, unless there is a custom domain. */
  readonly url: string;
  /** 5xx answers. */
  metricServerErrors(period: Duration): Metric;
  /** Requests: what an API is paid by. */
  metricRequests(period: Duration): Metric;
  /** Lets an IAM principal connect, where `authorization` is `iam`. */
  grantConnect(grantee: IGrantable): void;
}
