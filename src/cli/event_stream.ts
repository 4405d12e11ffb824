/** Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as they come. */

export interface ServerSentEvent {
  /** `message` unless named. */
  readonly event: string;
  readonly data: string;
  /** The last that was given, with this event or before. */
  readonly id: string;
}

const LONGEST_EVENT = 64 * 1024 * 1024;

/**
 * Takes pieces of text and returns the events that they complete.
 * @param heard told of each id, also of one without an event
 */
export function createEventReader(heard: (id: string) => void): (piece: string) => ServerSentEvent[] {
  let rest = '';
  let event = '';
  let data: string[] = [];
  let id = '';

  function line(text: string, events: ServerSentEvent[]): void {
    if (text === '') {
      if (id !== '') heard(id);
      if (data.length > 0) events.push({ event: event === '' ? 'message' : event, data: data.join('\n'), id });
      event = '';
      data = [];
      return;
    }
    const colon = text.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
  }

  return (piece) => {
    const lines = (rest + piece).split(/\r\n|\n/);
    rest = lines.pop()!;
    if (rest.length > LONGEST_EVENT) throw new RangeError('Cannot read the stream: a line has no end');
    const events: ServerSentEvent[] = [];
    for (const text of lines) line(text, events);
    return events;
  };
}
