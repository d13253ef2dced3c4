import type { Strategy } from './strategy.js';

/** The unadapted model. */
export const none: Strategy<'none'> = async () => ({
  used: 'none',
  reason: '',
  arms: [],
  firstPass: undefined,
});
