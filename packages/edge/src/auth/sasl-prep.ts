// SASLprep [RFC 4013]: one form for what looks the same, so that a name or a password typed elsewhere is still itself.
//
// The tables are those of stringprep in the words of today's Unicode, which is wider: a sign that came after 3.2 is taken
// like any other, and not refused as unassigned.

/** Spaces of other kinds than ASCII's [RFC 3454 C.1.2]. */
const otherSpaces = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g;
/** Signs that stand for nothing [RFC 3454 B.1]. */
const nothing = /\u034f|[\u180b-\u180d]|[\ufe00-\ufe0f]|[\u00ad\u1806\u200b\u2060\ufeff]|\u200c|\u200d/g;
/** Controls, private use, halves of pairs, no characters, and what tells others how to be shown [RFC 3454 C.2 to C.9]. */
const forbidden =
  /[\p{Cc}\p{Co}\p{Cs}\p{Noncharacter_Code_Point}\u06dd\u070f\u180e\u200e\u200f\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\ufffd\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}]/u;
/** Letters that are written from right to left [RFC 3454 D.1]. */
const rightToLeft =
  /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}\p{Script=Samaritan}]/u;

/** A name or password in its one form; undefined if it has signs that may not stand in one. */
export function saslPrep(text: string): string | undefined {
  const prepared = text.replace(otherSpaces, ' ').replace(nothing, '').normalize('NFKC');
  if (forbidden.test(prepared)) return undefined;
  return rightToLeft.test(prepared) && !isAllRightToLeft(prepared) ? undefined : prepared;
}

/** What has letters from right to left has no others, and begins and ends with them [RFC 3454 §6]. */
function isAllRightToLeft(text: string): boolean {
  const signs = [...text];
  const isRightToLeft = (sign: string | undefined): boolean => sign !== undefined && rightToLeft.test(sign);
  const hasOthers = signs.some((sign) => /\p{L}/u.test(sign) && !isRightToLeft(sign));
  return !hasOthers && isRightToLeft(signs[0]) && isRightToLeft(signs.at(-1));
}
