/** The standard streams of a process that speaks MCP over them: whose the output is, and when the input is over. */
import { PassThrough, type Readable, Writable } from 'node:stream';

export interface ReservedOutput {
  readonly stream: Writable;
  /** Gives the output back to everybody. */
  release(): void;
}

/**
 * From now on only this stream writes to the standard output. What else this process writes there, such as the
 * `console.log` of a tool, comes out on standard error: one line that is no message breaks a connection.
 */
export function reserveStdout(): ReservedOutput {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  const stream = new Writable({
    write(chunk: Buffer, encoding, callback) {
      write(chunk, encoding, callback);
    },
  });
  // Each answer that waits for a slow reader listens for errors; there may be many.
  stream.setMaxListeners(0);
  // A reader that is gone is told of twice: to the callback of the write, and here.
  stdout.on('error', () => {});
  stdout.write = stderr.write.bind(stderr);
  return {
    stream,
    release: () => {
      stdout.write = write;
    },
  };
}

export interface HeldInput {
  readonly stream: Readable;
  /** Nothing is read any more. */
  release(): void;
}

/** What `stdin` says, with its end held back until `beforeEnd` has resolved: so long, answers can still be written. */
export function holdEnd(stdin: Readable, beforeEnd: () => Promise<void>): HeldInput {
  const stream = new PassThrough();
  let isOver = false;
  const onEnd = () => {
    if (isOver) return;
    isOver = true;
    void beforeEnd().finally(() => stream.end());
  };
  stdin.once('end', onEnd);
  stdin.once('close', onEnd);
  stdin.once('error', onEnd);
  if (stdin.readableEnded || stdin.destroyed) queueMicrotask(onEnd);
  else stdin.pipe(stream, { end: false });
  return { stream, release: () => stdin.unpipe(stream) };
}
