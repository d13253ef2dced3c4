import { ZmeshError } from '../errors.js';
import type { Sandbox } from '../sandbox/sandbox.js';
import type { VerifierTools } from './verifier.js';

/** The sandbox among the tools. Throws SANDBOX_UNAVAILABLE where there is none: programs are never run unprotected. */
export function sandboxOf({ sandbox }: VerifierTools): Sandbox {
  if (sandbox) return sandbox;
  throw new ZmeshError(
    'SANDBOX_UNAVAILABLE',
    "programs of answers are run in the sandbox alone, and it was not opened; open a scorer for the task's questions",
  );
}
