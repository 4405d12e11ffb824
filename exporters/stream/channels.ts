/** Connections to clients: an answer of server-sent events without an end, and a WebSocket. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Channel } from './client.ts';
import { eventSourceWire, webSocketWire } from './frames.ts';
import { closeFrame, createReader, pingFrame } from './websocket.ts';

/** After a connection broke, EventSource waits so long before the next. */
const RETRY_MS = 1000;

export function openEventSource(request: IncomingMessage, response: ServerResponse): Channel {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store, no-transform',
    'X-Content-Type-Options': 'nosniff',
    // nginx would keep events back until it has some kilobytes.
    'X-Accel-Buffering': 'no',
  });
  // Clients have time limits of their own.
  request.socket.setTimeout(0);
  response.write(`retry: ${RETRY_MS}\n\n`);
  // What breaks it has it closed, too.
  response.on('error', () => {});
  return {
    listen(events) {
      response.on('drain', events.drained);
      response.once('close', events.closed);
    },
    wire: eventSourceWire,
    transport: 'event_source',
    address: request.socket.remoteAddress ?? '',
    write: (bytes) => response.write(bytes),
    keepAlive: () => void response.write(':\n\n'),
    end: () => void response.end(),
    destroy: () => void response.destroy(),
  };
}

/** Longest message of a client: a filter. */
const LONGEST_MESSAGE_BYTES = 65_536;
/** A client that sends pings and reads no answers gets none. */
const MOST_WAITING_ANSWERS_BYTES = 65_536;

/** @param accept the head of the answer, see `handshake` */
export function openWebSocket(request: IncomingMessage, socket: Duplex, head: Buffer, accept: string): Channel {
  request.socket.setTimeout(0);
  request.socket.setNoDelay(true);
  socket.write(accept);
  // What breaks it has it closed, too.
  socket.on('error', () => {});
  socket.once('end', () => void socket.end());
  return {
    listen(events) {
      const read = createReader(LONGEST_MESSAGE_BYTES, {
        text: events.message,
        answer(frame) {
          if (socket.writable && socket.writableLength < MOST_WAITING_ANSWERS_BYTES) socket.write(frame);
        },
        close: events.leave,
      });
      socket.on('drain', events.drained);
      socket.once('close', events.closed);
      if (head.length > 0) read(head);
      socket.on('data', (piece: Buffer) => {
        events.heard();
        read(piece);
      });
    },
    wire: webSocketWire,
    transport: 'websocket',
    address: request.socket.remoteAddress ?? '',
    write: (bytes) => socket.write(bytes),
    keepAlive: () => void socket.write(pingFrame()),
    end: (code, reason) => void socket.end(closeFrame(code, reason)),
    destroy: () => void socket.destroy(),
  };
}
