import assert from 'node:assert/strict';

/** A start or empty tag with its attributes, entities left as they are. */
export interface Tag {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Reads markup strictly: tags in balance, attributes quoted, no bare & or <. Returns the tags and the texts. */
export function readMarkup(source: string): { tags: Tag[]; texts: string[] } {
  const tags: Tag[] = [];
  const texts: string[] = [];
  const open: string[] = [];
  const token = /<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>|([^<]+)/gy;
  let at = 0;
  for (let found = token.exec(source); found; found = token.exec(source)) {
    at = token.lastIndex;
    const [, close, name = '', attributes = '', empty, content] = found;
    if (content !== undefined) {
      assert.doesNotMatch(content, /&(?!amp;|lt;|gt;|quot;)/);
      texts.push(content);
    } else if (close) assert.equal(open.pop(), name);
    else {
      const pairs = [...attributes.matchAll(/ ([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key!, value!]);
      tags.push({ name, attributes: Object.fromEntries(pairs) });
      if (!empty) open.push(name);
    }
  }
  assert.equal(at, source.length, `not markup from ${JSON.stringify(source.slice(at, at + 60))}`);
  assert.deepEqual(open, []);
  return { tags, texts };
}
