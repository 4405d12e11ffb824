/** Numbers of payment cards (ISO/IEC 7812): the check digit, and what issuers' numbers begin with. */

/** By network: first digits, and how many there are in all. Numbers of other lengths are rare, identifiers are not. */
const NETWORKS: readonly (readonly [prefix: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [16]], // Visa
  [/^(5[1-5]|2(22[1-9]|2[3-9]|[3-6]|7[01]|720))/, [16]], // Mastercard
  [/^3[47]/, [15]], // American Express
  [/^(6011|64[4-9]|65)/, [16]], // Discover
  [/^(30[0-5]|36|3[89])/, [14]], // Diners Club
  [/^35(2[89]|[3-8])/, [16]], // JCB
  [/^62/, [16, 17, 18, 19]], // UnionPay
];

/** @param text digits, with blanks or hyphens between them */
export function isCardNumber(text: string): boolean {
  const digits = text.replaceAll(/[ -]/g, '');
  const isKnown = NETWORKS.some(([prefix, lengths]) => lengths.includes(digits.length) && prefix.test(digits));
  return isKnown && hasCheckDigit(digits);
}

/** Luhn's formula (ISO/IEC 7812-1, annex B): every second digit from the right counts twice, its digits added. */
function hasCheckDigit(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place++) {
    const digit = digits.charCodeAt(digits.length - 1 - place) - 48;
    const counted = place % 2 === 0 ? digit : digit * 2;
    sum += counted > 9 ? counted - 9 : counted;
  }
  return sum % 10 === 0;
}
