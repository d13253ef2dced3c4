import { runProgram } from '#shared/program.js';
import { loadConfig, SETTINGS } from './config.js';
import { startTrainer } from './server.js';

runProgram({
  name: 'trainer',
  about: 'turns rewards into experts and examples into mixtures: jobs that any replica can go on with',
  settings: SETTINGS,
  load: loadConfig,
  start: startTrainer,
});
