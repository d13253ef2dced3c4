import type { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import type { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';

/**
 * The methods that change nothing: they may be tried again where nobody knows whether a call arrived. A call is never tried
 * again once its answer began.
 */
export const SAFE_METHODS: {
  readonly dispatcher: readonly (keyof DispatcherServiceService & string)[];
  readonly registry: readonly (keyof ExpertRegistryServiceService & string)[];
} = {
  dispatcher: [
    'generate',
    'complete',
    'classify',
    'tokenize',
    'listModels',
    'getAdaptation',
    'watchAdaptation',
  ],
  registry: [
    'getModel',
    'listRegisteredModels',
    'getExpert',
    'getExpertVectors',
    'getExpertRecord',
    'listExperts',
    'watchExperts',
    'verifyRegistry',
    'exportRegistry',
  ],
};
