/**
 * What secrets look like. Every rule has a sieve, a cheap expression that fits wherever the rule can find something: most
 * texts pass through one automaton made of all sieves, and no rule is asked.
 */
import { isCardNumber } from './card_number.ts';

/** A kind of secret. */
export interface Rule {
  readonly name: string;
  /** RE2. Its groups are what is masked; without groups the whole match. */
  readonly pattern: string;
  /** RE2: matches every text that the pattern matches, and few others. */
  readonly sieve: string;
  /** Whether what the pattern found is a secret; `before` is the character in front of it. */
  readonly isSecret?: (found: string, before: string) => boolean;
}

/** Words that name a secret in `word=value`, `"word": "value"` and `--word value`, at the end of a longer name, too. */
const SECRET_WORDS =
  'passw(?:or)?d|passphrase|pwd|secret|token|(?:api|access|account|auth|private|secret|shared[_-]?access)[_-]?key|credentials?|jsessionid|session[_-]?id';

/** What stands for no value, or was masked before. */
const PLACEHOLDER =
  /^(?:null|nil|none|true|false|undefined|redacted|filtered|hash:[0-9a-f]+|\*+|x{3,}|<[^>]*>|\[[^\]]*\]?|\$|\$?\{.*)$/i;

const QUOTED = String.raw`\\"([^"\\]+)|"((?:[^"\\]|\\.)+)|'((?:[^'\\]|\\.)+)`;

/** On unless other rules are chosen. */
export const SECRET_RULES: readonly Rule[] = [
  {
    // PEM (RFC 7468) and OpenPGP armour. Without an end, as where a line was cut, all that follows is taken for the key.
    name: 'private_key',
    pattern: String.raw`-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)`,
    sieve: 'PRIVATE KEY',
  },
  {
    // RFC 3986, section 3.2.1. The greedy class takes a password with an @ in it, which should have been %40.
    name: 'url_password',
    pattern: String.raw`://[^\s/?#"'<>:@]*:([^\s/?#"'<>]+)@`,
    sieve: String.raw`://[^\s/?#]+@`,
  },
  {
    name: 'authorization',
    pattern: String.raw`(?i)authorization\\?["']?\s*[:=]\s*\[?\\?["']?(?:(?:basic|bearer|digest|token|negotiate|apikey)\s+)?([^\s"'\\,;]+)`,
    sieve: '(?i)authorization',
    isSecret: (found) => !PLACEHOLDER.test(found),
  },
  {
    // RFC 6750. In prose "bearer" has words behind it; tokens have digits.
    name: 'bearer',
    pattern: String.raw`(?i)\bbearer\s+([a-z0-9+/=._~-]{16,})`,
    sieve: String.raw`(?i)bearer\s`,
    isSecret: (found) => /\d/.test(found),
  },
  {
    name: 'cookie',
    pattern: String.raw`(?i)\b(?:set-)?cookie\\?["']?\s*[:=]\s*\[?\\?["']?([^\r\n"'\\]+)`,
    sieve: '(?i)cookie',
    isSecret: (found) => found.includes('=') && !PLACEHOLDER.test(found),
  },
  {
    name: 'key_value',
    pattern: String.raw`(?i)(?:${SECRET_WORDS})\\?["']?\s*(?:=>|:=|[:=])\s*\[?(?:${QUOTED}|([^\s"'\\&,;(){}<>\]]+))`,
    sieve: String.raw`(?i)(?:${SECRET_WORDS})[\\"'\s]*[:=]`,
    isSecret: (found) => !PLACEHOLDER.test(found),
  },
  {
    name: 'argument',
    pattern: String.raw`(?i)--[a-z0-9-]*(?:${SECRET_WORDS})\s+(?:${QUOTED}|([^\s"'\\-][^\s"'\\]*))`,
    sieve: '--[A-Za-z]',
  },
  {
    name: 'xml_element',
    pattern: String.raw`(?i)<[a-z0-9_:.-]*(?:${SECRET_WORDS})>\s*([^<]+)`,
    sieve: `(?i)(?:${SECRET_WORDS})>`,
    isSecret: (found) => !PLACEHOLDER.test(found.trim()),
  },
  {
    // RFC 7519; the header and the claims are objects, so both begin with {" in base64url.
    name: 'jwt',
    pattern: String.raw`\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?`,
    sieve: 'eyJ',
  },
  {
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
    name: 'aws_key',
    pattern: String.raw`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b`,
    sieve: 'A(?:KIA|SIA|BIA|CCA)[A-Z2-7]',
  },
  {
    name: 'google_key',
    pattern: String.raw`\bAIza[0-9A-Za-z_-]{35}|\bya29\.[0-9A-Za-z_-]{20,}|\bGOCSPX-[0-9A-Za-z_-]{20,}`,
    sieve: String.raw`AIza|ya29\.|GOCSPX-`,
  },
  {
    // Signatures of S3, Google Cloud Storage and Azure (sig) that let whoever has the URL in.
    name: 'signed_url',
    pattern: String.raw`(?i)[?&](?:x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|sig|signature)=([^\s&"'<>#]{16,})`,
    sieve: '(?i)[?&](?:x-(?:amz|goog)-|sig)',
  },
  {
    // https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    name: 'github_token',
    pattern: String.raw`\bgh[pousr]_[A-Za-z0-9]{36,255}|\bgithub_pat_[A-Za-z0-9_]{22,255}`,
    sieve: 'gh[pousr]_|github_pat_',
  },
  {
    name: 'gitlab_token',
    pattern: String.raw`\bgl(?:pat|dt|rt|ptt|soat|cbt|agent|imt|ft|oas)-[A-Za-z0-9_-]{20,}`,
    sieve: 'gl[a-z]{2,5}-',
  },
  {
    name: 'slack_token',
    pattern: String.raw`\bxox[abeoprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/([A-Za-z0-9/]+)`,
    sieve: 'xox[abeoprs]-|xapp-|hooks.slack',
  },
  {
    // Prefixes by which issuers let their keys be found: Stripe, SendGrid, npm, PyPI, OpenAI and Anthropic, DigitalOcean,
    // Vault, Shopify, Grafana, Databricks, Hugging Face, Telegram, age.
    name: 'vendor_key',
    pattern: [
      String.raw`\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}`,
      String.raw`\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}`,
      String.raw`\bnpm_[A-Za-z0-9]{36}`,
      String.raw`\bpypi-[A-Za-z0-9_-]{32,}`,
      String.raw`\bsk-[A-Za-z0-9_-]{20,}`,
      String.raw`\bdo[opr]_v1_[a-f0-9]{64}`,
      String.raw`\bhv[sbr]\.[A-Za-z0-9_-]{20,}`,
      String.raw`\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}`,
      String.raw`\bglsa_[A-Za-z0-9]{32}_[a-f0-9]{8}`,
      String.raw`\bdapi[a-f0-9]{32}`,
      String.raw`\bhf_[A-Za-z]{34}`,
      String.raw`\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}`,
      'AGE-SECRET-KEY-1[0-9A-Z]{58}',
    ].join('|'),
    sieve: String.raw`[rs]k_(?:live|test)_|SG\.|npm_|pypi-|sk-|do[opr]_v1_|hv[sbr]\.|shp[acps]{2}_|glsa_|dapi[a-f0-9]|hf_|:AA|AGE-SECRET`,
    isSecret: (found) => /\d/.test(found) || found.startsWith('hf_'),
  },
  {
    name: 'card_number',
    pattern: String.raw`\b(?:[2-6][0-9]{13,18}|[2-6][0-9]{3}(?:[ -][0-9]{4}){3}|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5})\b`,
    // Without \b every digit of a long number would begin another match, and the automaton have 2^13 states.
    sieve: String.raw`\b[2-6][0-9]{3}(?:[0-9]{10}|[ -][0-9]{4}[ -]|[ -][0-9]{6})`,
    isSecret: (found, before) => before !== '.' && isCardNumber(found),
  },
];

/** Off unless they are chosen: what is personal, but in many logs the very thing that is looked for. */
export const PERSONAL_RULES: readonly Rule[] = [
  {
    name: 'email',
    pattern: String.raw`\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b`,
    sieve: '[A-Za-z0-9]@[A-Za-z0-9]',
  },
  {
    name: 'ip_address',
    pattern: String.raw`\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b|(?:[0-9A-Fa-f]{1,4}:){2,7}(?::?[0-9A-Fa-f]{1,4}){1,7}|(?:[0-9A-Fa-f]{1,4}:){1,7}:|::(?:[0-9A-Fa-f]{1,4}:){0,6}[0-9A-Fa-f]{1,4}`,
    sieve: String.raw`[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]:[0-9A-Fa-f]{0,4}:|::[0-9A-Fa-f]`,
    isSecret: (found) => isIpAddress(found),
  },
  {
    name: 'iban',
    pattern: String.raw`\b[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)\b`,
    sieve: String.raw`\b[A-Z]{2}[0-9]{2} ?[A-Z0-9]`,
    isSecret: (found) => isIban(found),
  },
];

function isIpAddress(text: string): boolean {
  // 00:15:42 is a time of day, not an address; a MAC address has six groups of two.
  if (!text.includes(':')) return text.split('.').every((part) => Number(part) <= 255);
  const groups = text.split(':');
  return text.includes('::') ? groups.length <= 9 && !text.includes(':::') : groups.length === 8;
}

/** ISO 13616: with the first four characters moved to the end, and letters as 10 to 35, it is 1 modulo 97. */
function isIban(text: string): boolean {
  const plain = text.replaceAll(' ', '');
  let remainder = 0;
  for (const character of plain.slice(4) + plain.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
  }
  return remainder === 1;
}

export const ALL_RULES: readonly Rule[] = [...SECRET_RULES, ...PERSONAL_RULES];
