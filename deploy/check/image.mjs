import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, posix } from 'node:path';
import { stagesOf } from './dockerfile.mjs';
import { root, say } from './places.mjs';
import { withProgress } from './progress.mjs';

/** Where the image's paths lie outside a container; everything that its commands name by an absolute path. */
const PLACES = ['/zmesh', '/var/lib/zmesh'];

/**
 * Does what the Dockerfile says, stage by stage, in folders of this machine: its COPYs, its RUNs as they stand (paths and the
 * owner replaced), then its ENTRYPOINT with its CMD; and with what is in the last stage a model is imported, as the first
 * container of a deployment does. The Node is this machine's, not the base image's.
 */
export async function checkImage() {
  const stages = stagesOf(readFileSync(join(root, 'deploy/Dockerfile'), 'utf8'));
  for (const { base } of stages)
    if (!/:\d+\.\d+\.\d+-|@sha256:/.test(base))
      throw new Error(`deploy/Dockerfile: ${base} is not an exact version`);
  const work = mkdtempSync(join(tmpdir(), 'zmesh-image-'));
  try {
    const built = new Map();
    let image;
    for (const [index, stage] of stages.entries()) {
      image = await runStage(stage, { folder: join(work, String(index)), built });
      built.set(stage.name, image);
    }
    await tryImage(image);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function runStage(stage, { folder, built }) {
  const image = { folder, cwd: '/', env: {}, user: 'root', entrypoint: [], command: [] };
  mkdirSync(folder, { recursive: true });
  for (const step of stage.steps) {
    const { keyword, words, text } = step;
    if (keyword === 'WORKDIR') {
      image.cwd = words[0];
      mkdirSync(inside(image, image.cwd), { recursive: true });
    } else if (keyword === 'ENV') {
      for (const word of words)
        image.env[word.slice(0, word.indexOf('='))] = word.slice(word.indexOf('=') + 1);
    } else if (keyword === 'COPY') copy(step, { image, built });
    else if (keyword === 'RUN')
      await withProgress(
        `deploy/Dockerfile: RUN ${text.slice(0, 60)}`,
        'sh',
        ['-ec', here(image, text)],
        optionsOf(image),
      );
    else if (keyword === 'USER') image.user = words[0];
    else if (keyword === 'ENTRYPOINT') image.entrypoint = JSON.parse(text);
    else if (keyword === 'CMD') image.command = JSON.parse(text);
    else throw new Error(`deploy/Dockerfile: ${keyword} is not understood by this check`);
  }
  return image;
}

/** Words without flags; the last one is where to. A file goes into a folder, a folder's contents into its copy. */
function copy({ words, from }, { image, built }) {
  const paths = words.filter((word) => !word.startsWith('--'));
  const target = inside(image, posix.resolve(image.cwd, paths.at(-1)));
  for (const source of paths.slice(0, -1)) {
    const path = from ? inside(built.get(from), source) : join(root, source);
    if (!from && source === '.') copyContext(target);
    else if (!existsSync(path)) throw new Error(`deploy/Dockerfile: COPY ${source}: not there`);
    else if (statSync(path).isDirectory()) cpSync(path, target, { recursive: true, verbatimSymlinks: true });
    else {
      mkdirSync(target, { recursive: true });
      cpSync(path, join(target, basename(path)));
    }
  }
}

/** What a build is given: the checkout's files less those of Dockerfile.dockerignore. */
function copyContext(target) {
  const ignored = readFileSync(join(root, 'deploy/Dockerfile.dockerignore'), 'utf8').trim().split('\n');
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const file of listed.split('\0').filter(Boolean)) {
    if (ignored.some((entry) => file === entry || file.startsWith(`${entry}/`))) continue;
    if (!existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(target, file)), { recursive: true });
    cpSync(join(root, file), join(target, file), { verbatimSymlinks: true });
  }
}

/** The programs that containers start, with what the last stage holds and nothing else. */
async function tryImage(image) {
  const { entrypoint, command, user } = image;
  if (!/^[1-9]\d*(:[1-9]\d*)?$/.test(user))
    throw new Error(`deploy/Dockerfile: the user is ${user}, not a number above 0`);
  const help = execFileSync(entrypoint[0], [...entrypoint.slice(1), ...command], {
    ...optionsOf(image),
    encoding: 'utf8',
  });
  if (!/zmesh/.test(help)) throw new Error('the image without arguments does not show the help of zmesh');
  for (const service of ['dispatcher', 'expert-registry', 'inference', 'trainer'])
    execFileSync(entrypoint[0], [`dist/services/${service}/main.js`, '--help'], optionsOf(image));
  const args = ['dist/services/inference/import.js', 'models/octo-nano', '--name', 'octo-nano'];
  execFileSync(entrypoint[0], args, optionsOf(image));
  const megabytes = Number(execFileSync('du', ['-sm', image.folder], { encoding: 'utf8' }).split('\t')[0]);
  say(
    `deploy/Dockerfile: every command runs outside a container; the layers hold ${megabytes} MB above the base`,
  );
}

function optionsOf(image) {
  const env = Object.fromEntries(
    Object.entries(image.env).map(([name, value]) => [name, here(image, value)]),
  );
  const { PATH, HOME, npm_config_cache } = process.env;
  return {
    cwd: inside(image, image.cwd),
    env: { PATH, HOME, ...(npm_config_cache ? { npm_config_cache } : {}), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  };
}

const inside = (image, path) => join(image.folder, path);

/** A text of the image with this machine's folders, and this user in place of the image's `node`. */
function here(image, text) {
  const owner = `${process.getuid?.()}:${process.getgid?.()}`;
  return PLACES.reduce(
    (changed, place) =>
      changed.replaceAll(new RegExp(`(?<=^|[\\s="'])${place}(?=/|\\s|$)`, 'g'), inside(image, place)),
    text,
  ).replaceAll('node:node', owner);
}
