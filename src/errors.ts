/** Errors that carry a meaning the pipeline acts on. */

/** The back end cannot take it now: the same payload may succeed later. */
export class RetryableError extends Error {
  /** Milliseconds that the back end asked to wait (`Retry-After`, `RetryInfo`), if it did. */
  readonly retryAfter_ms: number | undefined;
  constructor(message: string, options: { cause?: unknown; retryAfter_ms?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.name = 'RetryableError';
    this.retryAfter_ms = options.retryAfter_ms;
  }
}

/** The same payload will never succeed: it is dropped and counted. */
export class PermanentError extends Error {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'PermanentError';
  }
}

/** An HTTP answer that refuses the payload for good. */
export class RefusedError extends PermanentError {
  readonly status: number;
  /** What it answered, whole. */
  readonly body: Uint8Array;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  constructor(
    message: string,
    status: number,
    body: Uint8Array,
    headers: Readonly<Record<string, string | string[] | undefined>> = {},
  ) {
    super(message);
    this.name = 'RefusedError';
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** The back end refuses the payload for its size: it is split and sent in parts (HTTP 413). */
export class TooLargeError extends PermanentError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'TooLargeError';
  }
}

/** Where in the configuration something stands. `line` and `column` count from 1; `line` 0 is a source without lines. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Characters that it spans. */
  readonly length?: number | undefined;
  /** The line as written, secrets masked, and which part of it is meant; there once a whole configuration was read. */
  readonly frame?: { readonly text: string; readonly start: number; readonly length: number } | undefined;
}

/** One thing wrong with the configuration, for the person who wrote it. */
export interface ConfigProblem {
  /** `Cannot <verb> <object>: <what was found>`. */
  readonly message: string;
  /** Dotted path of the key, as `receivers.cpu.collection_interval`; '' for the whole file. */
  readonly path: string;
  readonly place?: Place | undefined;
  /** A second place that matters, as the list that an overlay would overwrite. */
  readonly other?: Place | undefined;
  /** What to do next. */
  readonly hint?: string | undefined;
}

/** The configuration cannot be used; says everything that is wrong with it, not only the first thing. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[];
  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map((problem) => problem.message).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** What a person reads of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
