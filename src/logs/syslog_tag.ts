/** The tag of a syslog message of RFC 3164: which program wrote it. */

export interface Tag {
  readonly name: string;
  /** '' where it is missing. */
  readonly procId: string;
  /** Where the message begins. */
  readonly end: number;
}

/** RFC 3164 allows 32, of which programs know nothing. */
const MAX_NAME = 128;
const MAX_PROC_ID = 64;

/** `su[230]: `, `postfix/smtpd[1]: `, `kernel: `, `%SYS-5-CONFIG_I: `; undefined where there is none. */
export function readTag(text: string, start: number): Tag | undefined {
  const limit = Math.min(text.length, start + MAX_NAME);
  for (let at = start; at < limit; at++) {
    const code = text.charCodeAt(at);
    if (code <= 0x20 || code === 0x22) return undefined;
    switch (code) {
      case 0x3a: {
        // In Perl::Module the colon is part of the name.
        const isEnd = at + 1 === text.length || text.charCodeAt(at + 1) === 0x20;
        if (isEnd) return at === start ? undefined : { name: text.slice(start, at), procId: '', end: at + 2 };
        break;
      }
      case 0x5b:
        return at === start ? undefined : readProcId(text, start, at);
    }
  }
  return undefined;
}

function readProcId(text: string, start: number, bracket: number): Tag | undefined {
  const close = text.slice(bracket, bracket + MAX_PROC_ID).indexOf(']') + bracket;
  if (close <= bracket + 1) return undefined;
  const procId = text.slice(bracket + 1, close);
  const hasColon = text.charCodeAt(close + 1) === 0x3a;
  if (procId.includes(' ') || (!hasColon && !/^\d+$/.test(procId))) return undefined;
  let end = close + (hasColon ? 2 : 1);
  const next = text.charCodeAt(end);
  if (end < text.length && next !== 0x20 && !hasColon) return undefined;
  if (next === 0x20) end++;
  return { name: text.slice(start, bracket), procId, end };
}
