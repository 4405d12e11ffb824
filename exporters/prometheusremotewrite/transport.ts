/** Sends requests in the newest version of remote write that the back end knows. */
import type { ComponentLog, HttpSender, Request, SendResult } from '../../src/component.ts';
import { PermanentError, RefusedError, RetryableError, TooLargeError } from '../../src/errors.ts';
import { countSamples } from './read_request.ts';
import { separateHistograms } from './split.ts';
import { toVersion1 } from './version_1.ts';

export type Version = '2.0' | '1.0';

export const VERSION_HEADER = 'x-prometheus-remote-write-version';
export const VERSION_NUMBERS: Readonly<Record<Version, string>> = { '2.0': '2.0.0', '1.0': '0.1.0' };

const CONTENT_TYPES: Readonly<Record<Version, string>> = {
  '2.0': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
  '1.0': 'application/x-protobuf',
};
/** A back end that knew only 1.0 may have been renewed since. */
const TRY_AGAIN_MS = 600_000;
/**
 * A Prometheus without that feature says so with 500, which means to try again: nothing would be sent any more. Words
 * are not to be interpreted ("Response"), but these are the only sign.
 */
const NO_NATIVE_HISTOGRAMS = /native histograms are disabled/;

export interface TransportOptions {
  readonly url: string;
  readonly protocol: 'auto' | Version;
  readonly senders: Readonly<Record<Version, HttpSender>>;
  readonly hasMetadata: boolean;
  readonly max_request_bytes: number;
  readonly log: ComponentLog;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface Transport {
  send(request: Request, abort: AbortSignal): Promise<SendResult>;
  stop(): void;
}

export function createTransport(options: TransportOptions): Transport {
  const { url, protocol, senders, hasMetadata, max_request_bytes, log, now } = options;
  /** Until then it is spoken to in 1.0. */
  let isOldUntil_ms = -Infinity;
  /** It has answered as only a back end that knows 2.0 does. */
  let isNew = false;

  function fallBack(why: string): void {
    isOldUntil_ms = now() + TRY_AGAIN_MS;
    isNew = false;
    log.once('version', `Sends by remote write 1.0, for the back end does not know 2.0: ${why}`);
  }

  function confirm(): void {
    isNew = true;
    log.over('version', 'Sends by remote write 2.0 again');
  }

  async function send1(request: Request, abort: AbortSignal): Promise<SendResult> {
    const body = readable(() => toVersion1(request.body, hasMetadata));
    // The parts were cut to size as 2.0, where each string is in them once.
    if (body.byteLength > max_request_bytes && request.count > 1) {
      throw new TooLargeError(
        `Cannot send a request of ${body.byteLength} bytes: max_request_bytes is ${max_request_bytes}`,
      );
    }
    await senders['1.0'].post(url, body, CONTENT_TYPES['1.0'], abort);
    return {};
  }

  async function send2(request: Request, abort: AbortSignal): Promise<SendResult> {
    let headers: Headers;
    try {
      ({ headers } = await senders['2.0'].post(url, request.body, CONTENT_TYPES['2.0'], abort));
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const written = writtenOf(error.headers);
      if (written !== undefined) {
        confirm();
        return partialWrite(request, written, error);
      }
      if (protocol !== 'auto') throw error;
      if (error.status === 415) {
        fallBack('it answered 415');
        return send1(request, abort);
      }
      // Back ends that know only 1.0 may say 400 ("Unsupported Request Content").
      if (error.status !== 400 || isNew) throw error;
      const result = await send1(request, abort);
      fallBack('it answered 400');
      return result;
    }
    const written = writtenOf(headers);
    if (written !== undefined) {
      confirm();
      return resultOf(request, written, (wrote, sent) => `it wrote ${wrote} of ${sent} samples`);
    }
    // It took the request for an empty one of 1.0 ("Required Written Response Headers").
    const why = 'it did not say how much it wrote';
    if (protocol !== 'auto') {
      throw new PermanentError(`Cannot send by remote write 2.0: ${why}; write protocol: "1.0" or auto`);
    }
    fallBack(why);
    return send1(request, abort);
  }

  async function send(request: Request, abort: AbortSignal): Promise<SendResult> {
    const isOld = protocol === '1.0' || (protocol === 'auto' && now() < isOldUntil_ms);
    try {
      return await (isOld ? send1(request, abort) : send2(request, abort));
    } catch (error) {
      // No measured point is lost, and what was to be said of the series is said again or is out of date.
      if (request.count === 0 && error instanceof RefusedError) return { message: error.message };
      if (error instanceof RetryableError && NO_NATIVE_HISTOGRAMS.test(error.message)) {
        return sendWithoutHistograms(request, error.message, abort);
      }
      throw error;
    }
  }

  async function sendWithoutHistograms(request: Request, refusal: string, abort: AbortSignal): Promise<SendResult> {
    const { histograms, rest } = readable(() => separateHistograms(request));
    const message = `${refusal}; native_histograms: none makes series of them`;
    if (histograms === undefined || (rest === undefined && request.count > 0)) throw new PermanentError(message);
    if (rest === undefined) return { message };
    const result = await send({ ...rest, id: request.id }, abort);
    return { ...result, ...(histograms.count > 0 && { refused: histograms }), message };
  }

  return {
    send,
    stop() {
      for (const sender of Object.values(senders)) sender.close();
    },
  };
}

type Headers = RefusedError['headers'];

/** Samples and histograms that the back end says it wrote; undefined where it says nothing, as one that knows only 1.0. */
function writtenOf(headers: Headers): number | undefined {
  const values = ['samples', 'histograms', 'exemplars'].map(
    (what) => headers[`x-prometheus-remote-write-${what}-written`],
  );
  if (values.every((value) => value === undefined)) return undefined;
  const [samples, histograms] = values.map((value) => (/^\d{1,15}$/.test(`${value}`) ? Number(value) : 0));
  return samples! + histograms!;
}

/** What became of a request of which it wrote nothing is its refusal; else only what is missing is lost. */
function partialWrite(request: Request, written: number, refusal: RefusedError): SendResult {
  if (written === 0) throw refusal;
  const result = resultOf(request, written, () => refusal.message);
  // All samples are written: what it refused were exemplars.
  return result.message === undefined ? { message: refusal.message } : result;
}

/** Which samples are missing it does not say, so of points that are several samples the like share is. */
function resultOf(
  { body, count }: Request,
  written: number,
  message: (written: number, sent: number) => string,
): SendResult {
  const { samples, histograms } = readable(() => countSamples(body));
  const sent = samples + histograms;
  if (written >= sent) return {};
  return { rejected: Math.ceil(((sent - written) * count) / sent), message: message(written, sent) };
}

/** @throws {PermanentError} what waited in the queue is no request */
function readable<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new PermanentError('Cannot read a request that waited in the queue', { cause: error });
  }
}
