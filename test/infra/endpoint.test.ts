/** The three kinds of API, how they are authorized, and what the MCP function is told. */
import { describe, expect, test } from '@jest/globals';
import { type App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { oneOf, readEnvironment } from '../../lambda/shared/environment.ts';
import { MCP_PATH, METADATA_PATHS, RESPONSE_MODES, VARIABLES } from '../../lambda/shared/words.ts';
import { McpEndpoint, TaskQueue, TaskTable } from '../../lib/index.ts';
import {
  appWithoutBundling,
  JWT,
  OWN_DOMAIN,
  ofType,
  only,
  type Properties,
  resourcesOf,
  synthesize,
} from './synthesized.ts';

const REST_METHOD = 'AWS::ApiGateway::Method';
const ROUTE = 'AWS::ApiGatewayV2::Route';
const MCP_FUNCTION = /EndpointFunction/;

describe('a REST API', () => {
  test('streams every answer, for as long as the function may take [AWS-1]', () => {
    const { server } = synthesize();
    const [method] = ofType(server, REST_METHOD);
    const integration = method?.properties['Integration'] as Properties;

    expect(ofType(server, REST_METHOD)).toHaveLength(1);
    expect(integration).toMatchObject({
      Type: 'AWS_PROXY',
      IntegrationHttpMethod: 'POST',
      ResponseTransferMode: 'STREAM',
      TimeoutInMillis: 15 * 60 * 1000,
    });
    expect(JSON.stringify(integration['Uri'])).toContain(':lambda:path/2021-11-15/functions/');
    expect(JSON.stringify(integration['Uri'])).toMatch(/\/response-streaming-invocations"\]\]\}$/);
    expect(only(server, 'AWS::Lambda::Function', MCP_FUNCTION).properties['Timeout']).toBe(15 * 60);
  });

  test('is regional, since an edge-optimized one cuts streams that are idle for 30 seconds [AWS-1]', () => {
    const api = only(synthesize().server, 'AWS::ApiGateway::RestApi');

    expect(api.properties['EndpointConfiguration']).toMatchObject({ Types: ['REGIONAL'] });
  });

  test('logs requests and errors, and never a body [SEC-4 AWS-4]', () => {
    const stage = only(synthesize().server, 'AWS::ApiGateway::Stage');

    expect(stage.properties['MethodSettings']).toEqual([
      expect.objectContaining({ LoggingLevel: 'ERROR', DataTraceEnabled: false, MetricsEnabled: true }),
    ]);
    expect(JSON.stringify(stage.properties['AccessLogSetting'])).not.toMatch(/authorization|body/i);
  });

  test('throttles as asked [AWS-1]', () => {
    const settings = (context: Record<string, string>) =>
      only(synthesize(context).server, 'AWS::ApiGateway::Stage').properties['MethodSettings'];

    expect(settings({})).toMatchObject([{ ThrottlingRateLimit: 100, ThrottlingBurstLimit: 200 }]);
    expect(settings({ throttlingRateLimit: '3', throttlingBurstLimit: '5' })).toMatchObject([
      { ThrottlingRateLimit: 3, ThrottlingBurstLimit: 5 },
    ]);
  });

  test('with a domain of its own answers there only, and says what the domain must point to [AWS-1 SEC-5]', () => {
    const { server, outputs } = synthesize({ ...JWT, ...OWN_DOMAIN });

    expect(only(server, 'AWS::ApiGateway::RestApi').properties['DisableExecuteApiEndpoint']).toBe(true);
    expect(only(server, 'AWS::ApiGateway::DomainName').properties).toMatchObject({
      DomainName: 'tasks.example.com',
      SecurityPolicy: 'TLS_1_2',
    });
    expect(ofType(server, 'AWS::ApiGateway::BasePathMapping')).toHaveLength(1);
    expect(environmentOf(server).resourceUrl).toBe('https://tasks.example.com/mcp');
    expect(outputOf(outputs, /EndpointUrl/)).toBe('https://tasks.example.com/mcp');
    expect(outputOf(outputs, /DomainTarget/)).toMatchObject({
      'Fn::GetAtt': [expect.anything(), 'RegionalDomainName'],
    });
  });

  test('takes a web ACL [SEC-5]', () => {
    const webAclArn = 'arn:aws:wafv2:eu-central-1:111111111111:regional/webacl/a/b';
    const { server } = synthesize({ webAclArn });
    const stage = only(server, 'AWS::ApiGateway::Stage');
    const { properties } = only(server, 'AWS::WAFv2::WebACLAssociation');

    expect(properties['WebACLArn']).toBe(webAclArn);
    expect(JSON.stringify(properties['ResourceArn'])).toContain(`"${stage.id}"`);
  });
});

describe('authorization', () => {
  test('by IAM is checked on every method and route, and there are no open ones [SEC-2]', () => {
    const methods = ofType(synthesize().server, REST_METHOD);
    const routes = ofType(synthesize({ api: 'http' }).server, ROUTE);
    const url = only(synthesize({ api: 'url' }).server, 'AWS::Lambda::Url');

    expect(methods.map(({ properties }) => properties['AuthorizationType'])).toEqual(['AWS_IAM']);
    expect(routes.map(({ properties }) => properties['AuthorizationType'])).toEqual(['AWS_IAM']);
    expect(url.properties).toMatchObject({ AuthType: 'AWS_IAM', InvokeMode: 'RESPONSE_STREAM' });
  });

  test('by token is left to the function, whose metadata anybody may read [SEC-2]', () => {
    const { server } = synthesize({ ...JWT, ...OWN_DOMAIN });
    const routes = ofType(synthesize({ ...JWT, api: 'http' }).server, ROUTE);

    expect(ofType(server, REST_METHOD).map(({ properties }) => properties['AuthorizationType'])).toEqual(
      Array.from({ length: 5 }, () => 'NONE'),
    );
    expect(routes.map(({ properties }) => String(properties['RouteKey'])).toSorted()).toEqual([
      `ANY ${MCP_PATH}`,
      ...['GET', 'OPTIONS'].flatMap((method) => METADATA_PATHS.map((path) => `${method} ${path}`)),
    ]);
    expect(environmentOf(server)).toMatchObject({ authMode: 'jwt', jwtIssuer: JWT.jwtIssuer });
  });

  test('anonymous has to be asked for by name [SEC-2]', () => {
    expect(environmentOf(synthesize().server).authMode).toBe('iam');
    expect(environmentOf(synthesize({ auth: 'none' }).server).authMode).toBe('none');
  });
});

describe('an HTTP API', () => {
  test('is told to buffer, throttled, and logged [AWS-1]', () => {
    const { server } = synthesize({ api: 'http', throttlingRateLimit: '3' });

    expect(environmentOf(server).responseMode).toBe('buffered');
    expect(only(server, 'AWS::ApiGatewayV2::Stage').properties).toMatchObject({
      DefaultRouteSettings: { ThrottlingRateLimit: 3, ThrottlingBurstLimit: 200 },
      AccessLogSettings: { DestinationArn: expect.anything() },
    });
    expect(ofType(server, 'AWS::ApiGateway::RestApi')).toEqual([]);
  });
});

describe('the function’s environment', () => {
  test.each([
    ['rest', 'dynamodb', 'stream'],
    ['http', 'dynamodb', 'buffered'],
    ['url', 'dynamodb', 'stream'],
    ['url', 'redis', 'stream'],
  ] as const)('of %s over %s is what its own reader understands [AWS-1]', (api, backend, mode) => {
    const environment = environmentOf(
      synthesize({
        ...JWT,
        ...(api === 'rest' ? OWN_DOMAIN : {}),
        api,
        backend,
        serverName: 'acme',
        serverVersion: '1.2.3',
        leaseMs: '20000',
        logLevel: 'warn',
        stage: 'prod',
        maxActiveTasksPerOwner: '11',
        ...(api === 'http' ? {} : { maxStreamSeconds: '120' }),
        headers: 'lenient',
        taskTools: 'true',
        jwtScopes: 'a,b',
      }).server,
    );

    expect(oneOf(environment, 'responseMode', RESPONSE_MODES)).toBe(mode);
    expect(environment).toMatchObject({
      backend,
      authMode: 'jwt',
      jwtIssuer: JWT.jwtIssuer,
      jwtScopes: 'a b',
      serverName: 'acme',
      serverVersion: '1.2.3',
      leaseMs: '20000',
      logLevel: 'warn',
      deployment: 'prod',
      maxActiveTasksPerOwner: '11',
      ...(api === 'http' ? {} : { maxStreamSeconds: '120' }),
      headers: 'lenient',
      taskTools: 'true',
      queueUrl: expect.stringContaining('Ref'),
      ...(backend === 'redis'
        ? { redisEndpoint: expect.stringContaining('rediss://'), ...cacheUser() }
        : { tableName: expect.stringContaining('TasksTable') }),
    });
  });

  test('holds nothing that the functions do not read, and no secret [SEC-4]', () => {
    const { server } = synthesize({ ...JWT, api: 'http', backend: 'redis' });
    const known: readonly string[] = [...Object.values(VARIABLES), 'NODE_OPTIONS'];
    for (const { properties } of ofType(server, 'AWS::Lambda::Function')) {
      const { Variables } = properties['Environment'] as { readonly Variables: Properties };

      expect(Object.keys(Variables).filter((name) => !known.includes(name))).toEqual([]);
      expect(JSON.stringify(Variables)).not.toMatch(/resolve:|password/i);
    }
  });

  test.each([
    ['rest', undefined],
    ['url', undefined],
    ['http', '6291456'],
  ])('of both functions says what answers behind %s can carry: %s [AWS-1 LIFE-10]', (api, bytes) => {
    const { server } = synthesize({ api });
    const limits = [/^ServerEndpointFunction/, /^ServerWorker[0-9A-F]{8}$/].map(
      (id) => environmentOf(server, id).maxAnswerBytes,
    );

    expect(limits).toEqual([bytes, bytes]);
  });

  test('of the worker has a store and a queue, and no word on callers [AWS-1]', () => {
    const { server } = synthesize({ ...JWT, api: 'http' });

    expect(Object.keys(environmentOf(server, /^ServerWorker(?!DeadLetter|Looker)/)).sort()).toEqual([
      'backend',
      'deployment',
      'logLevel',
      'maxAnswerBytes',
      'queueUrl',
      'tableName',
    ]);
  });
});

const WORKER = /^ServerWorker(?!DeadLetter|Looker)/;

test('endpoint and worker each can have concurrency of their own, so that open streams leave room for work [AWS-9]', () => {
  const reservedOf = (context: Record<string, string>) =>
    [MCP_FUNCTION, WORKER].map(
      (id) => only(synthesize(context).server, 'AWS::Lambda::Function', id).properties['ReservedConcurrentExecutions'],
    );

  expect(reservedOf({})).toEqual([undefined, undefined]);
  expect(reservedOf({ reservedConcurrency: '20' })).toEqual([20, undefined]);
  expect(reservedOf({ workerReservedConcurrency: '30', workerConcurrency: '30' })).toEqual([undefined, 30]);
});

test('memory can be set for endpoint and worker [AWS-11]', () => {
  const memoryOf = (context: Record<string, string>) =>
    [MCP_FUNCTION, WORKER].map(
      (id) => only(synthesize(context).server, 'AWS::Lambda::Function', id).properties['MemorySize'],
    );

  expect(memoryOf({})).toEqual([512, 512]);
  expect(memoryOf({ memoryMiB: '1024' })).toEqual([1024, 1024]);
});

describe('callers of other accounts', () => {
  const callerAccounts = '222222222222,333333333333';

  test('may connect to a REST API, by its policy [AWS-11 SEC-2]', () => {
    const { properties } = only(synthesize({ callerAccounts }).server, 'AWS::ApiGateway::RestApi');

    expect(properties['Policy']).toMatchObject({
      Statement: [
        {
          Effect: 'Allow',
          Action: 'execute-api:Invoke',
          Resource: 'execute-api:/v1/*/mcp',
          Principal: expect.anything(),
        },
      ],
    });
    expect(JSON.stringify(properties['Policy'])).toMatch(/222222222222:root.*333333333333:root/);
    expect(only(synthesize().server, 'AWS::ApiGateway::RestApi').properties).not.toHaveProperty('Policy');
  });

  test('may connect to a function URL, and not invoke the function in another way [AWS-11 SEC-2]', () => {
    const permissions = ofType(synthesize({ api: 'url', callerAccounts }).server, 'AWS::Lambda::Permission');

    expect(permissions.map(({ properties }) => properties)).toEqual(
      ['222222222222', '333333333333'].flatMap((Principal) => [
        expect.objectContaining({ Principal, Action: 'lambda:InvokeFunctionUrl', FunctionUrlAuthType: 'AWS_IAM' }),
        expect.objectContaining({ Principal, Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true }),
      ]),
    );
  });
});

test('the account’s role for API Gateway’s logs is left alone on request [AWS-11]', () => {
  expect(ofType(synthesize().server, 'AWS::ApiGateway::Account')).toHaveLength(1);
  expect(ofType(synthesize({ apiGatewayLogRole: 'false' }).server, 'AWS::ApiGateway::Account')).toEqual([]);
});

describe('tokens without a host of their own', () => {
  test('are refused, with what to do instead [AWS-7 AWS-11]', () => {
    const stack = new Stack(appWithoutBundling(), 'Another');
    const endpoint = () =>
      new McpEndpoint(stack, 'Mcp', {
        storage: new TaskTable(stack, 'Tasks'),
        queue: new TaskQueue(stack, 'Queue'),
        authorization: { mode: 'jwt', issuer: 'https://issuer.example.com' },
        toolsEntry: 'lambda/tools.ts',
      });

    expect(endpoint).toThrow(/renames WWW-Authenticate.* Give customDomain, or api 'http' or 'url'\.$/);
  });

  test('have their metadata at the root of the host, with every API that is offered [AWS-7]', () => {
    const rest = synthesize({ ...JWT, ...OWN_DOMAIN }).server;
    const mapping = only(rest, 'AWS::ApiGateway::BasePathMapping');
    const paths = ofType(synthesize({ ...JWT, api: 'http' }).server, ROUTE).map(({ properties }) =>
      String(properties['RouteKey']),
    );

    // No base path: what is at `/.well-known/…` of the API is there at the domain.
    expect(mapping.properties).not.toHaveProperty('BasePath');
    expect(paths).toContain('GET /.well-known/oauth-protected-resource/mcp');
    expect(only(synthesize({ ...JWT, api: 'http' }).server, 'AWS::ApiGatewayV2::Stage').properties['StageName']).toBe(
      '$default',
    );
  });
});

describe('a principal that is let in', () => {
  test.each([
    ['rest', /execute-api:Invoke.*\/v1\/\*\/mcp"/],
    ['http', /execute-api:Invoke.*\/\*\/\*\/mcp"/],
    ['url', /lambda:InvokeFunction","Condition":\{"Bool":\{"lambda:InvokedViaFunctionUrl":true|InvokedViaFunctionUrl/],
  ] as const)('may connect to the endpoint (%s), and not invoke the function itself [SEC-5 AWS-3]', (api, allowed) => {
    const { policy } = endpointFor(api, (endpoint, role) => endpoint.grantConnect(role));

    expect(policy).toMatch(allowed);
    for (const statement of statementsIn(policy)) {
      const invokes = JSON.stringify(statement['Action']).includes('"lambda:InvokeFunction"');
      expect(invokes && statement['Condition'] === undefined).toBe(false);
    }
  });

  test('directly may invoke the function, on behalf of anybody [AWS-3]', () => {
    const { policy } = endpointFor('rest', (endpoint, role) => endpoint.grantDirectInvocation(role));

    expect(policy).toContain('"lambda:InvokeFunction"');
  });
});

function endpointFor(api: 'rest' | 'http' | 'url', grant: (endpoint: McpEndpoint, role: Role) => void) {
  const app: App = appWithoutBundling();
  const stack = new Stack(app, 'Another');
  const role = new Role(stack, 'Client', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
  const endpoint = new McpEndpoint(stack, 'Mcp', {
    storage: new TaskTable(stack, 'Tasks'),
    queue: new TaskQueue(stack, 'Queue'),
    authorization: { mode: 'iam' },
    toolsEntry: 'lambda/tools.ts',
    api,
  });
  grant(endpoint, role);
  const { properties } = only(resourcesOf(Template.fromStack(stack)), 'AWS::IAM::Policy', /^Client/);
  return { policy: JSON.stringify(properties['PolicyDocument']) };
}

/** As the functions are told, and as the cache was made. */
function cacheUser() {
  const { state } = synthesize({ backend: 'redis' });
  const { properties } = only(state, 'AWS::ElastiCache::User');
  const { ServerlessCacheName } = only(state, 'AWS::ElastiCache::ServerlessCache').properties;
  return { redisCacheName: ServerlessCacheName, redisUserId: properties['UserId'] };
}

function statementsIn(policy: string): readonly Properties[] {
  return (JSON.parse(policy) as { readonly Statement: readonly Properties[] }).Statement;
}

/** Tokens as their JSON text; read by the very function that the Lambda functions use. */
function environmentOf(resources: ReturnType<typeof synthesize>['server'], id = MCP_FUNCTION) {
  const { properties } = only(resources, 'AWS::Lambda::Function', id);
  const { Variables } = properties['Environment'] as { readonly Variables: Properties };
  const texts = Object.entries(Variables).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return readEnvironment(Object.fromEntries(texts) as Record<string, string>);
}

function outputOf(outputs: ReturnType<typeof synthesize>['outputs'], id: RegExp): unknown {
  return Object.entries(outputs).find(([name]) => id.test(name))?.[1].Value;
}
