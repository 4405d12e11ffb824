/**
 * Sends alerts to Alertmanagers by their API v2: to all replicas, for they settle among themselves who tells whom. What
 * fires is sent again and again by the rule engine, so a batch that failed is not; what is resolved is kept until it
 * was taken, for 15 minutes, as Prometheus repeats it.
 */
import type { ComponentLog, HttpSender } from '../component.ts';
import { messageOf, PermanentError, RetryableError } from '../errors.ts';
import type { Notification } from '../rules/alert.ts';
import { createBackoff } from './backoff.ts';
import { createFigures, createFilter, drop, type Channel, type ChannelFigures } from './channel.ts';
import { keyOf } from './identity.ts';
import type { AlertmanagerConfig } from './options.ts';
import type { Silences } from './silences.ts';

export interface AlertmanagerOptions {
  readonly name: string;
  readonly config: AlertmanagerConfig;
  readonly sender: HttpSender;
  readonly log: ComponentLog;
  readonly silences: Silences;
}

const PATH = '/api/v2/alerts';
const RESOLVED_KEPT_MS = 15 * 60_000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;

export function createAlertmanager(options: AlertmanagerOptions): Channel {
  const { config, sender, silences } = options;
  const isWanted = createFilter(config);
  const replicas = config.endpoints.map((endpoint) => createReplica(alertsUrl(endpoint), options, () => figures));
  const figures = createFigures(() => replicas.reduce((sum, { queue }) => sum + queue.size, 0));
  return {
    figures,
    notify(notifications, now_ms) {
      const wanted = notifications.filter(({ alert, ownLabels = alert.labels }) => {
        if (!isWanted(alert.labels)) return false;
        const isHeld = alert.state === 'firing' && !config.send_silenced;
        return !isHeld || silences.silencedBy(ownLabels, now_ms).length === 0;
      });
      if (wanted.length > 0) for (const replica of replicas) replica.add(wanted);
    },
    start() {
      for (const replica of replicas) replica.start();
    },
    async stop(deadline) {
      await Promise.all(replicas.map((replica) => replica.stop(deadline)));
      sender.close();
    },
  };
}

/** `http://host:9093/am` → `http://host:9093/am/api/v2/alerts`. */
export function alertsUrl(endpoint: string): string {
  const url = new URL(endpoint);
  if (!url.pathname.endsWith(PATH)) url.pathname = `${url.pathname.replace(/\/+$/, '')}${PATH}`;
  return url.href;
}

function createReplica(url: string, { name, config, sender, log }: AlertmanagerOptions, figures: () => ChannelFigures) {
  const { host } = new URL(url);
  const ending = new AbortController();
  const backoff = createBackoff(FIRST_WAIT_MS, LONGEST_WAIT_MS);
  /** By alert and when it began, oldest first: a repetition takes the place of what still waits. */
  const queue = new Map<string, Notification>();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isStarted = false;

  function add(notifications: readonly Notification[]): void {
    for (const notification of notifications) {
      const key = queueKey(notification);
      queue.delete(key);
      queue.set(key, notification);
    }
    shorten();
    run();
  }

  function shorten(): void {
    const excess = queue.size - config.queue_capacity;
    if (excess <= 0) return;
    for (const key of queue.keys().take(excess)) queue.delete(key);
    drop(figures(), 'queue_full', excess);
  }

  /** What is new goes at once; what failed waits its turn, or goes with what is new. */
  function run(): void {
    if (!isStarted || running !== undefined) return;
    clearTimeout(timer);
    running = drain().finally(() => (running = undefined));
  }

  async function drain(): Promise<void> {
    const kept: Notification[] = [];
    let wait_ms = 0;
    while (queue.size > 0 && !ending.signal.aborted) {
      const batch = [...queue.entries().take(config.batch_size)];
      for (const [key] of batch) queue.delete(key);
      const notifications = batch.map(([, notification]) => notification);
      try {
        await post(notifications);
        figures().sent += notifications.length;
        backoff.reset();
        log.over(`notifier ${name} ${host}`, `Notifier "${name}": ${host} takes alerts again`);
      } catch (error) {
        figures().failed++;
        const again = error instanceof PermanentError ? [] : notifications.filter(isResolved);
        drop(figures(), 'failed', notifications.length - again.length);
        kept.push(...again);
        complain(error, again.length);
        if (!(error instanceof PermanentError)) {
          wait_ms = Math.max(wait_ms, backoff.next(error instanceof RetryableError ? error.retryAfter_ms : 0));
        }
      }
    }
    keepForLater(kept, wait_ms);
  }

  function keepForLater(kept: readonly Notification[], wait_ms: number): void {
    const oldest_ms = Date.now() - RESOLVED_KEPT_MS;
    const young = kept.filter(({ endsAt_ms }) => endsAt_ms >= oldest_ms);
    drop(figures(), 'too_old', kept.length - young.length);
    const newer = [...queue];
    queue.clear();
    for (const notification of young) queue.set(queueKey(notification), notification);
    for (const [key, notification] of newer) {
      queue.delete(key);
      queue.set(key, notification);
    }
    shorten();
    if (queue.size > 0 && !ending.signal.aborted) timer = setTimeout(run, wait_ms).unref();
  }

  async function post(notifications: readonly Notification[]): Promise<void> {
    const timeout = AbortSignal.timeout(config.timeout);
    const body = Buffer.from(JSON.stringify(notifications.map(toPostable)));
    try {
      await sender.post(url, body, 'application/json', AbortSignal.any([timeout, ending.signal]));
    } catch (error) {
      if (!timeout.aborted) throw error;
      throw new RetryableError(`Cannot send to ${host}: no answer within ${config.timeout} ms`, { cause: error });
    }
  }

  function complain(error: unknown, keptCount: number): void {
    const next =
      keptCount > 0 ? `${keptCount} resolved ones are sent again` : 'what fires is sent with the next repetition';
    log.once(`notifier ${name} ${host}`, `Notifier "${name}": ${messageOf(error)}; ${next}`, { endpoint: host });
  }

  return {
    queue,
    add,
    start() {
      isStarted = true;
      if (queue.size > 0) run();
    },
    async stop(deadline: AbortSignal) {
      clearTimeout(timer);
      const giveUp = (): void => ending.abort();
      if (deadline.aborted) giveUp();
      deadline.addEventListener('abort', giveUp);
      // What is under way, and then what waits, once.
      await running;
      clearTimeout(timer);
      run();
      await running;
      clearTimeout(timer);
      isStarted = false;
      deadline.removeEventListener('abort', giveUp);
      drop(figures(), 'shutdown', queue.size);
      queue.clear();
    },
  };
}

const isResolved = ({ alert }: Notification): boolean => alert.state === 'resolved';

function queueKey({ alert, startsAt_ms }: Notification): string {
  return `${startsAt_ms} ${keyOf(alert.labels)}`;
}

/** `postableAlert` of Alertmanager’s API v2. */
function toPostable({ alert, startsAt_ms, endsAt_ms }: Notification): unknown {
  return {
    labels: Object.fromEntries(alert.labels),
    annotations: Object.fromEntries(alert.annotations),
    startsAt: new Date(startsAt_ms).toISOString(),
    endsAt: new Date(endsAt_ms).toISOString(),
    // An empty one is no URI, and refused.
    ...(alert.generatorURL !== '' && { generatorURL: alert.generatorURL }),
  };
}
