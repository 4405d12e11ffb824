/** A mail server on loopback that keeps what it is sent: as much of SMTP (RFC 5321, 3207, 4954) as a client needs. */
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body, as they came. */
  readonly data: string;
  readonly isEncrypted: boolean;
  /** `user:password` of who logged in. */
  readonly login: string | undefined;
}

export interface SmtpServer {
  readonly port: number;
  readonly mails: Mail[];
  /** Every command, in order. */
  readonly commands: string[];
  /** What is answered to a command that begins with the key, instead of what is right. */
  readonly answers: Map<string, string>;
}

export interface SmtpOptions {
  readonly tls?: { readonly cert_file: string; readonly key_file: string };
  readonly password?: string;
}

export async function startSmtpServer({ tls, password }: SmtpOptions = {}): Promise<SmtpServer> {
  const sockets = new Set<Socket>();
  const state: Omit<SmtpServer, 'port'> = { mails: [], commands: [], answers: new Map() };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write('220 sink\r\n');
    converse(socket, false);
  });

  function converse(socket: Socket, isEncrypted: boolean): void {
    let rest = '';
    let data: string | undefined;
    let [from, login] = ['', undefined as string | undefined];
    let to: string[] = [];
    const say = (line: string): void => void socket.write(`${line}\r\n`);

    function take(line: string): void {
      if (data !== undefined) {
        if (line !== '.') return void (data += `${line.replace(/^\./, '')}\r\n`);
        state.mails.push({ from, to, data, isEncrypted, login });
        data = undefined;
        return say(state.answers.get('.') ?? '250 taken');
      }
      state.commands.push(line);
      const word = line.split(' ', 1)[0]!.toUpperCase();
      const other = [...state.answers].find(([start]) => line.toUpperCase().startsWith(start));
      if (other !== undefined && word !== 'DATA') return say(other[1]);
      switch (word) {
        case 'EHLO':
          say('250-sink');
          if (password !== undefined) say('250-AUTH PLAIN');
          if (tls !== undefined && !isEncrypted) say('250-STARTTLS');
          return say('250 8BITMIME');
        case 'STARTTLS':
          if (tls === undefined) return say('502 no STARTTLS here');
          say('220 go on');
          socket.removeAllListeners('data');
          return converse(secure(socket, tls), true);
        case 'AUTH': {
          const [, user, given] = Buffer.from(line.split(' ')[2]!, 'base64').toString().split('\0');
          login = `${user}:${given}`;
          return say(given === password ? '235 welcome' : '535 no');
        }
        case 'MAIL':
          from = /<(.*?)>/.exec(line)![1]!;
          to = [];
          return say('250 ok');
        case 'RCPT':
          to.push(/<(.*?)>/.exec(line)![1]!);
          return say('250 ok');
        case 'DATA':
          data = '';
          return say('354 go on');
        case 'QUIT':
          say('221 bye');
          return void socket.end();
        default:
          return say('250 ok');
      }
    }

    socket.on('data', (chunk) => {
      rest += String(chunk);
      for (let end = rest.indexOf('\r\n'); end >= 0; end = rest.indexOf('\r\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 2);
        take(line);
      }
    });
  }

  function secure(socket: Socket, { cert_file, key_file }: NonNullable<SmtpOptions['tls']>): Socket {
    const secured = new TLSSocket(socket, {
      isServer: true,
      cert: readFileSync(cert_file),
      key: readFileSync(key_file),
    });
    secured.on('error', () => {});
    return secured;
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { ...state, port: (server.address() as AddressInfo).port };
}
