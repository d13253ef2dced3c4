/** Longest piece of a foreign file that an error quotes. */
const LENGTH_MAX = 400;

/**
 * Text from a file or a caller as part of an error: one line, without control characters, of at most `lengthMax`
 * characters (default 400), so that a name of a megabyte or one with line breaks cannot fill a log.
 */
export function oneLine(text: string, lengthMax = LENGTH_MAX): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const clean = text.slice(0, 2 * lengthMax).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
  return clean.length > lengthMax || text.length > 2 * lengthMax ? `${clean.slice(0, lengthMax)}…` : clean;
}

/** A value of a foreign JSON file as part of an error, of at most 80 characters: a text as it is, anything else as JSON. */
export function quote(value: unknown): string {
  return oneLine(typeof value === 'string' ? value : (JSON.stringify(value) ?? 'missing'), 80);
}
