/** What a client of the library is made with. */
import type { ClientOptions, Pool } from '@platformatic/kafka';
import { createClientCertificates } from '../client_certificates.ts';
import { createSecret } from '../secret_file.ts';
import type { KafkaClientConfig } from './options.ts';

const CONNECT_TIMEOUT_MS = 5000;
/** Of its own, and quick: what takes longer is repeated by those who use it. */
const RETRIES = 2;
const RETRY_DELAY_MS = 100;

/** @throws {Error} `auth` names not exactly one way */
export function checkAuthentication(auth: KafkaClientConfig['auth']): void {
  if (auth === undefined) return;
  const ways = Object.values(auth).filter((way) => way !== undefined).length;
  if (ways !== 1) {
    const known = 'plain, scram_sha_256, scram_sha_512 and oauthbearer';
    throw new Error(`Cannot use auth: it names ${ways} of ${known}, and takes one`);
  }
}

export interface KafkaClient {
  /** What a producer or a consumer is made with. */
  readonly options: ClientOptions;
  /**
   * To be called with each of them, and with each stream, before it connects.
   *
   * A failure that nobody in the library waits for must not end the process: its connections are event emitters, and an
   * `error` of theirs that finds no listener would be thrown. Whoever waits for the connection hears of it.
   */
  guard(owner: { readonly connections: Pool }): void;
}

/**
 * @param request_ms how long an answer may take
 * @throws {Error} a file of the configuration cannot be used
 */
export function createKafkaClient(config: KafkaClientConfig, request_ms: number): KafkaClient {
  const sasl = createSasl(config.auth);
  /** Of the broker that a connection is just being made to. */
  let host = '';
  const tls = config.tls === undefined ? undefined : createTls(config.tls, () => host);
  return {
    options: {
      clientId: config.client_id,
      bootstrapBrokers: [...config.brokers],
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: request_ms,
      timeout: request_ms,
      retries: RETRIES,
      retryDelay: RETRY_DELAY_MS,
      ...(sasl !== undefined && { sasl }),
      ...(tls !== undefined && { tls }),
    },
    guard({ connections }) {
      connections.on('connecting', ({ broker, connection }) => {
        ({ host } = broker);
        connection.on('error', () => undefined);
      });
    },
  };
}

/**
 * The library copies the properties at each connection, right after it has said to whom it connects: so they are made
 * then. It would throw, beyond anyone's reach, where they are nonsense: so what the files hold is tried before.
 */
function createTls(config: NonNullable<KafkaClientConfig['tls']>, host: () => string): ClientOptions['tls'] {
  const { createSecureContext } = process.getBuiltinModule('node:tls');
  const { isIP } = process.getBuiltinModule('node:net');
  const material = createClientCertificates(config);
  let used = material();
  let context = createSecureContext(used);
  return {
    rejectUnauthorized: used.rejectUnauthorized,
    get secureContext() {
      const now = material();
      if (now === used) return context;
      try {
        context = createSecureContext(now);
        used = now;
      } catch {
        // One of the files is half written: until the other half is there the old ones serve.
      }
      return context;
    },
    /** Tells the broker which name is meant (SNI); an address is not allowed there. */
    get servername() {
      return config.server_name ?? (isIP(host()) === 0 ? host() : '');
    },
  };
}

function createSasl(auth: KafkaClientConfig['auth']): ClientOptions['sasl'] {
  if (auth === undefined) return undefined;
  const { plain, scram_sha_256, scram_sha_512, oauthbearer } = auth;
  if (oauthbearer !== undefined) {
    const { token, token_file, extensions } = oauthbearer;
    const getToken = createSecret('auth.oauthbearer.token', token, token_file);
    return { mechanism: 'OAUTHBEARER', token: getToken, oauthBearerExtensions: extensions };
  }
  const [name, mechanism, login] =
    plain !== undefined
      ? (['plain', 'PLAIN', plain] as const)
      : scram_sha_256 !== undefined
        ? (['scram_sha_256', 'SCRAM-SHA-256', scram_sha_256] as const)
        : (['scram_sha_512', 'SCRAM-SHA-512', scram_sha_512!] as const);
  const password = createSecret(`auth.${name}.password`, login.password, login.password_file);
  return { mechanism, username: login.username, password };
}
