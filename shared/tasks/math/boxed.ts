/** What stands in the last `\boxed{…}`, or else the last `\fbox{…}`; undefined without one that is closed. */
export function lastBoxed(text: string): string | undefined {
  const box = lastBox(text);
  return box?.slice(box.indexOf('{') + 1, -1);
}

/** As published: an `\fbox` is found, but not unboxed, and so is no answer; nor is `\boxed 5`. */
export function officialLastBoxed(text: string): string | undefined {
  const box = lastBox(text);
  return box?.startsWith('\\boxed{') ? box.slice('\\boxed{'.length, -1) : undefined;
}

/** From the last `\boxed`, else the last `\fbox`, to the brace that closes it. */
function lastBox(text: string): string | undefined {
  const boxed = text.lastIndexOf('\\boxed');
  const start = boxed >= 0 ? boxed : text.lastIndexOf('\\fbox');
  if (start < 0) return undefined;
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '{') depth++;
    if (text[i] === '}' && --depth === 0) return text.slice(start, i + 1);
  }
  return undefined;
}
