/** One instance of a function: a process with the function's environment, that runs one invocation at a time. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { PATIENCE_MS } from '../until.ts';
import { RuntimeApi } from './runtime-api.ts';

const RUNTIME_CLIENT = fileURLToPath(new URL('runtime-client.ts', import.meta.url));

export interface FunctionSettings {
  readonly name: string;
  /** The bundle, as it is deployed. */
  readonly file: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly memoryMiB: number;
}

export class FunctionInstance {
  readonly #settings: FunctionSettings;
  readonly #api: RuntimeApi;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #exited: Promise<void>;
  #alive = true;

  static async start(settings: FunctionSettings, log: (line: string) => void): Promise<FunctionInstance> {
    return new FunctionInstance(settings, await RuntimeApi.start(), log);
  }

  private constructor(settings: FunctionSettings, api: RuntimeApi, log: (line: string) => void) {
    this.#settings = settings;
    this.#api = api;
    this.#child = spawn(process.execPath, [RUNTIME_CLIENT, settings.file], {
      // Nothing of this process but what a program needs to run.
      env: {
        PATH: process.env['PATH'],
        HOME: '/tmp',
        ...runtimeVariables(settings, api.address),
        ...settings.variables,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const output of [this.#child.stdout, this.#child.stderr]) eachLine(output, log);
    this.#exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        this.#alive = false;
        api.fail('Runtime.ExitError', `The runtime exited: ${code ?? signal}`);
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Long past the deadline that it is told, the process is killed: Lambda does so at once, but has no busy machine. */
  invoke(event: unknown, timeoutMs = this.#settings.timeoutMs): ReturnType<RuntimeApi['invoke']> {
    const { reply, done } = this.#api.invoke(event, timeoutMs);
    const timer = setTimeout(
      () => {
        this.#api.fail('Sandbox.Timedout', `Task timed out after ${timeoutMs / 1000} seconds`);
        this.kill();
      },
      timeoutMs + PATIENCE_MS / 2,
    );
    void done.then(() => clearTimeout(timer));
    return { reply, done };
  }

  kill(): void {
    this.#alive = false;
    this.#child.kill('SIGKILL');
  }

  async close(): Promise<void> {
    this.kill();
    await this.#exited;
    await this.#api.close();
  }
}

function runtimeVariables({ name, memoryMiB }: FunctionSettings, runtimeApi: string): Record<string, string> {
  return {
    AWS_LAMBDA_RUNTIME_API: runtimeApi,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMiB),
    AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    TZ: ':UTC',
  };
}

function eachLine(output: Readable, take: (line: string) => void): void {
  let rest = '';
  output.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== '') take(line);
  });
}
