import { runProgram } from '#shared/program.js';
import { loadConfig, SETTINGS } from './config.js';
import { startDispatcher } from './server.js';

runProgram({
  name: 'dispatcher',
  about: 'the front door: finds the mixture of each request, generates, streams back with a receipt',
  settings: SETTINGS,
  load: loadConfig,
  start: startDispatcher,
});
