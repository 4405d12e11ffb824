/** A forward proxy on loopback: requests with a whole URL for http, CONNECT for https (RFC 9110, 9.3.6). */
import { createServer, request as send, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ForwardProxy extends AsyncDisposable {
  readonly url: string;
  /** What it was asked: `POST http://…` or `CONNECT host:port`, with the credentials that it was shown. */
  readonly asked: { readonly what: string; readonly authorization: string | undefined; readonly headers: object }[];
  /** Answers with this status, and passes nothing on. */
  refuseWith: number | undefined;
}

/** @param tls for a proxy that is spoken to over TLS */
export async function startForwardProxy(tls?: { readonly cert: Buffer; readonly key: Buffer }): Promise<ForwardProxy> {
  const sockets = new Set<Socket>();
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  const note = (request: IncomingMessage): void =>
    void proxy.asked.push({
      what: `${request.method} ${request.url}`,
      authorization: request.headers['proxy-authorization'],
      headers: request.headers,
    });
  server.on('request', (request, response) => {
    note(request);
    if (proxy.refuseWith !== undefined) {
      response.writeHead(proxy.refuseWith).end('not through here');
      return;
    }
    const { 'proxy-authorization': _, ...headers } = request.headers;
    const onward = send(request.url!, { method: request.method!, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.writeHead(502).end());
    request.pipe(onward);
  });
  server.on('connect', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    note(request);
    if (proxy.refuseWith !== undefined) {
      socket.end(`HTTP/1.1 ${proxy.refuseWith} No\r\n\r\n`);
      return;
    }
    const [host = '', port] = request.url!.split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const one of [onward, socket]) one.on('error', () => (onward.destroy(), socket.destroy()));
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy: ForwardProxy = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked: [],
    refuseWith: undefined,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
