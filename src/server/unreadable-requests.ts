/**
 * What Node's HTTP parser does not hand on as a request: bytes that are no HTTP, CONNECT, expectations. Node's own
 * answers to them have no body, or there is none at all; here they are refused like everything else.
 */
import { type Server, ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { HTTP_METHODS, refusalBody } from '../protocol/http-requests.ts';

/** Of the parser's errors, those that have a status of their own. */
const STATUS_OF_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

const MESSAGES: Readonly<Record<number, string>> = {
  400: 'This is no HTTP request that can be read.',
  405: `This HTTP method is not served; it may be one of ${HTTP_METHODS.join(', ')}.`,
  408: 'The request did not come to its end in time.',
  413: 'The request has too long chunk extensions.',
  431: 'The headers are larger than is allowed.',
};

export function refuseUnreadable(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    writeRefusal(socket, STATUS_OF_ERROR[error.code ?? ''] ?? 400);
  });
  server.on('connect', (_request, socket: Duplex) => writeRefusal(socket, 405));
  server.on('checkExpectation', (_request, response) => {
    const body = refusalBody('The only expectation that can be met is 100-continue.');
    response.writeHead(417, { 'content-type': 'application/json' }).end(body);
  });
}

function writeRefusal(socket: Duplex, status: number): void {
  // A sender that has gone away, or is in the middle of another answer, gets no answer to this.
  if (!socket.writable || isAnswering(socket)) {
    socket.destroy();
    return;
  }
  socket.on('error', () => {});
  const body = refusalBody(MESSAGES[status] ?? '');
  const allow = status === 405 ? `Allow: ${HTTP_METHODS.join(', ')}\r\n` : '';
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${allow}Content-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

/** Node keeps the response that is under way beside its socket, and looks at it for its own refusals in this way. */
function isAnswering(socket: Duplex): boolean {
  return '_httpMessage' in socket && socket._httpMessage instanceof ServerResponse && socket._httpMessage.headersSent;
}
