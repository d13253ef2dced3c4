// `npm run docs`: writes what is made from tables in the code. Says what changed.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#shared/paths.js';
import { serviceTables, settingsPage, withReadmeTable } from './settings-page.js';

const tables = await serviceTables();
const PAGES: Readonly<Record<string, (present: string) => string>> = {
  'docs/settings.md': () => settingsPage(tables),
  'README.md': (readme) => withReadmeTable(readme, tables),
};

for (const [file, make] of Object.entries(PAGES)) {
  const path = join(projectRoot, file);
  const present = read(path);
  const made = make(present);
  if (made === present) continue;
  writeFileSync(path, made);
  process.stderr.write(`${file}: written anew\n`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
