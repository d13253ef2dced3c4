#!/usr/bin/env node
/** The `zmesh` command of a checkout: set-up if something is missing, then services/cli. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { orExit, root, setUp } from './setup.mjs';

await orExit(() => setUp({ quiet: true }));
await import(pathToFileURL(join(root, 'dist/services/cli/main.js')).href);
