/**
 * Loaded into a program with `--import`: kills it with SIGKILL before or after the renaming that puts the file of name
 * `ZMESH_TEST_KILL_FILE` in its place; `ZMESH_TEST_KILL_MOMENT` says which. The product is as it is.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

const { rename } = fs;
const { ZMESH_TEST_KILL_FILE: file, ZMESH_TEST_KILL_MOMENT: moment } = process.env;

fs.rename = async (from, to) => {
  const die = (): Promise<never> => {
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => {});
  };
  const mine = basename(String(to)) === file;
  if (mine && moment === 'before') await die();
  await rename(from, to);
  if (mine && moment === 'after') await die();
};
syncBuiltinESMExports();
