/** The agent's own log: one line an event, to standard error; readable on a terminal, logfmt or JSON elsewhere. */
import type { ComponentLog } from '../component.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'text' | 'logfmt' | 'json';
export type LogFields = Readonly<Record<string, unknown>>;

export interface LogEntry {
  readonly time_ms: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** The voice of one component; `component` is in each of its lines. */
  forComponent(component: string): ComponentLog;
  /** Also hands every entry to `listener`, as the agent's own log pipeline. */
  listen(listener: (entry: LogEntry) => void): () => void;
}

/** A log whose settings can change while components hold it. */
export interface AdjustableLog extends Log {
  adjust(options: Pick<LogOptions, 'level' | 'format'>): void;
}

const LEVELS: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly hasColor: boolean;
  readonly write: (line: string) => void;
  readonly now?: () => number;
}

export function createLog({ level, format, hasColor, write, now = Date.now }: LogOptions): AdjustableLog {
  const renderers = { text: (entry: LogEntry) => asText(entry, hasColor), logfmt: asLogfmt, json: asJson };
  let threshold = LEVELS[level];
  let render = renderers[format];
  const listeners = new Set<(entry: LogEntry) => void>();

  function say(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (LEVELS[level] < threshold) return;
    const entry: LogEntry = { time_ms: now(), level, message, fields };
    write(`${render(entry)}\n`);
    for (const listener of listeners) listener(entry);
  }

  return {
    debug: (message, fields) => say('debug', message, fields),
    info: (message, fields) => say('info', message, fields),
    warn: (message, fields) => say('warn', message, fields),
    error: (message, fields) => say('error', message, fields),
    adjust(options) {
      threshold = LEVELS[options.level];
      render = renderers[options.format];
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    forComponent(component) {
      const said = new Set<string>();
      const withId = (fields: LogFields = {}): LogFields => ({ component, ...fields });
      return {
        info: (message, fields) => say('info', message, withId(fields)),
        warn: (message, fields) => say('warn', message, withId(fields)),
        error: (message, fields) => say('error', message, withId(fields)),
        once(key, message, fields) {
          if (said.has(key)) return;
          // A source of ever new keys (paths, devices) must not fill the memory.
          if (said.size >= MOST_KEYS) return;
          said.add(key);
          say('warn', message, withId(fields));
        },
        over(key, message) {
          if (said.delete(key)) say('info', message, withId());
        },
      };
    },
  };
}

const MOST_KEYS = 1000;

function asText({ time_ms, level, message, fields }: LogEntry, hasColor: boolean): string {
  const clock = new Date(time_ms).toTimeString().slice(0, 8);
  const { component, stack, ...rest } = fields;
  const paint = (code: number, text: string): string => (hasColor ? `\x1b[${code}m${text}\x1b[0m` : text);
  const color = { debug: 90, info: 36, warn: 33, error: 31 }[level];
  const origin = component === undefined ? '' : `${paint(1, String(component))}: `;
  const details = Object.entries(rest).map(([key, value]) => ` ${paint(90, `${key}=`)}${logfmtValue(value)}`);
  const trace = typeof stack === 'string' && level === 'error' ? `\n${stack}` : '';
  return `${paint(90, clock)} ${paint(color, level.padEnd(5))} ${origin}${escapeControls(message)}${details.join('')}${trace}`;
}

function asLogfmt({ time_ms, level, message, fields }: LogEntry): string {
  const all = { time: new Date(time_ms).toISOString(), level, msg: message, ...fields };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${logfmtValue(value)}`)
    .join(' ');
}

function asJson({ time_ms, level, message, fields }: LogEntry): string {
  return JSON.stringify({ time: new Date(time_ms).toISOString(), level, message, ...fields });
}

function logfmtValue(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return typeof value === 'string' && (text === '' || /[\s"=\\\p{Cc}]/u.test(text)) ? JSON.stringify(text) : text;
}

/** A file name or an answer from afar must not move the cursor of who reads the log. */
function escapeControls(text: string): string {
  return text.replace(/[\p{Cc}]/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
