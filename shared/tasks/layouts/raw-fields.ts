/**
 * A JSON object's text in which the values of some of its own fields have become texts: what stood there, as it stood.
 * Python tells 1.0 from 1, has whole numbers of any length, and writes NaN: parsed here, they would be lost. Text that is
 * not an object comes back unchanged.
 */
export function withRawFields(text: string, names: readonly string[]): string {
  let result = '';
  let copied = 0;
  let depth = 0;
  for (let at = 0; at < text.length; ) {
    const character = text[at]!;
    if (character === '"') {
      const end = endOfString(text, at);
      const isKey = depth === 1 && /^\s*:/.test(text.slice(end, end + 64));
      if (isKey && names.includes(text.slice(at + 1, end - 1))) {
        const start = text.indexOf(':', end) + 1;
        const stop = endOfValue(text, start);
        result += text.slice(copied, start) + JSON.stringify(text.slice(start, stop).trim());
        copied = stop;
        at = stop;
      } else at = end;
      continue;
    }
    if (character === '{' || character === '[') depth++;
    if (character === '}' || character === ']') depth--;
    at++;
  }
  return result + text.slice(copied);
}

/** Behind the quote that closes the string at `at`. */
function endOfString(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end + 1;
}

/** Where the value that begins at `at` ends: at a comma or bracket of the object around it. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  let end = at;
  while (end < text.length) {
    const character = text[end]!;
    if (character === '"') {
      end = endOfString(text, end);
      continue;
    }
    if (depth === 0 && (character === ',' || character === '}')) return end;
    if (character === '{' || character === '[') depth++;
    if (character === '}' || character === ']') depth--;
    end++;
  }
  return end;
}
