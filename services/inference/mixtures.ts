import { trace } from '@opentelemetry/api';
import type { CacheUse, Mixture, MixtureArm } from '#proto/zmesh/v1/common.js';
import { ZmeshError } from '#shared/errors.js';
import { fault } from '#shared/field.js';
import { type Arm, checkArms, composeSpectrum, sharedNormalisation } from '#shared/svf/compose.js';
import { mixtureHash } from '#shared/svf/mixture-hash.js';
import type { Expert, SpectralMatrix } from '#shared/svf/model.js';
import { BASE, DRAFT, isVersion, parseExpertName } from '#shared/svf/names.js';
import { SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { withSpan } from '#shared/telemetry/spans.js';
import type { DraftStore } from './drafts.js';
import type { SpectrumCache, SpectrumLease } from './engine/spectra.js';
import type { ExpertCache, ExpertReference } from './experts.js';

/** A mixture whose spectrum is resident, until its lease is released. */
export interface ResolvedMixture {
  readonly lease: SpectrumLease;
  readonly cache: CacheUse;
}

/** Turns a request's mixture into a resident spectrum. */
export interface Mixtures {
  /** Adapted matrices in model order. */
  readonly matrices: readonly SpectralMatrix[];
  /** Where unpublished multipliers are. */
  readonly drafts: DraftStore;
  /**
   * Throws INVALID_FIELD for a name that is no exact version, BAD_MIXTURE, MIXED_NORMALISATION, UNKNOWN_MATRIX,
   * BASIS_MISMATCH, UNKNOWN_EXPERT for a draft that is not here, QUEUE_FULL where the mixtures in use fill their memory, and what `ExpertCache.get` throws.
   */
  resolve(mixture: Mixture | undefined, signal: AbortSignal): Promise<ResolvedMixture>;
  /** The arms of a mixture at hand, composed nowhere. Throws as `resolve`, but for QUEUE_FULL. */
  load(mixture: Mixture | undefined, signal: AbortSignal): Promise<LoadedMixture>;
}

/** A mixture's arms with their vectors. */
export interface LoadedMixture {
  readonly hash: string;
  readonly arms: readonly Arm[];
}

/** What mixtures are made of. */
export interface MixturesOptions {
  readonly model: string;
  readonly basisId: string;
  /** Adapted matrices in model order. */
  readonly matrices: readonly SpectralMatrix[];
  readonly experts: ExpertCache;
  readonly drafts: DraftStore;
  readonly spectra: SpectrumCache;
}

type NamedArm = Omit<Arm, 'expert'> & {
  /** null = the base, or a draft. */
  readonly reference: ExpertReference | null;
  /** null = no draft. */
  readonly draft: Expert | null;
};

/** Makes the mixtures of one model; the base's spectrum is resident from the start and stays. */
export function createMixtures(options: MixturesOptions): Mixtures {
  const { matrices, basisId, spectra, experts, drafts } = options;
  spectra.add(mixtureHash(basisId, []), composeSpectrum(matrices, []), null);
  return {
    matrices,
    drafts,
    async load(mixture, signal) {
      const arms = namedArms(mixture?.arms ?? [], options);
      for (const { reference } of arms) if (reference) experts.checkServed(reference);
      const { loaded } = await loadArms(arms, options, signal);
      return { hash: mixtureHash(basisId, arms), arms: loaded };
    },
    resolve: (mixture, signal) =>
      withSpan(SPAN.RESOLVE_MIXTURE, {}, async (span) => {
        const arms = namedArms(mixture?.arms ?? [], options);
        const hash = mixtureHash(basisId, arms);
        const references = arms.flatMap(({ reference }) => reference ?? []);
        for (const reference of references) experts.checkServed(reference);
        const resident = spectra.lease(hash);
        span.setAttributes({ [ZMESH.MIXTURE_HASH]: hash, [ZMESH.MIXTURE_RESIDENT]: resident !== null });
        if (resident) {
          const here = references.filter(({ version }) => experts.has(version)).length;
          return {
            lease: resident,
            cache: { mixtureResident: true, expertsResident: here, expertsFetched: 0 },
          };
        }
        const { loaded, fetched } = await loadArms(arms, options, signal);
        span.setAttribute(ZMESH.EXPERTS_FETCHED, fetched);
        const normalisation = sharedNormalisation(loaded);
        const lease = spectra.add(hash, composeSpectrum(matrices, loaded), normalisation);
        const expertsResident = references.length - fetched;
        return { lease, cache: { mixtureResident: false, expertsResident, expertsFetched: fetched } };
      }),
  };
}

async function loadArms(
  arms: readonly NamedArm[],
  { experts, basisId }: MixturesOptions,
  signal: AbortSignal,
): Promise<{ loaded: readonly Arm[]; fetched: number }> {
  let fetched = 0;
  const loaded = await Promise.all(
    arms.map(async ({ reference, draft, ...arm }): Promise<Arm> => {
      if (!reference) return { ...arm, expert: draft };
      const found = await experts.get(reference, signal);
      if (found.fetched) fetched++;
      const { spec, expert } = found.resident;
      if (spec.basisId !== basisId) {
        const message = `${arm.name} belongs to the basis ${spec.basisId}, the model here has ${basisId}`;
        throw new ZmeshError('BASIS_MISMATCH', message, { names: { expert: arm.name, basis: spec.basisId } });
      }
      return { ...arm, expert };
    }),
  );
  return { loaded, fetched };
}

/** Parses and checks the arms; those whose every α is zero take no part. */
function namedArms(arms: readonly MixtureArm[], options: MixturesOptions): readonly NamedArm[] {
  const named = arms.map((arm, i) => namedArm(arm, options, `mixture.arms[${i}].expert`));
  checkArms(named);
  const counted = named.filter(
    ({ alpha, alphaPerMatrix }) => alpha > 0 || [...alphaPerMatrix.values()].some((own) => own > 0),
  );
  trace.getActiveSpan()?.setAttribute(ZMESH.EXPERTS, counted.map(shortName));
  return counted;
}

function namedArm(arm: MixtureArm, { model, drafts }: MixturesOptions, field: string): NamedArm {
  const weights = { alpha: arm.alpha, alphaPerMatrix: new Map(Object.entries(arm.alphaPerMatrix)) };
  if (arm.expert === '') throw fault(field, 'is required', {}, 'MISSING_FIELD');
  const name = parseExpertName(arm.expert, field);
  if (name.model !== undefined && name.model !== model) {
    const message = `${field}: ${arm.expert} belongs to another model than ${model}`;
    throw new ZmeshError('BASIS_MISMATCH', message, { field, names: { expert: arm.expert, model } });
  }
  const { expert, selector } = name;
  if (expert === BASE && selector === undefined)
    return { ...weights, name: BASE, reference: null, draft: null };
  if (expert === BASE || selector === undefined || !isVersion(selector))
    throw fault(field, `${arm.expert} is no exact version (expert@<64 hex digits>)`, { value: arm.expert });
  const exact = { ...weights, name: `${expert}@${selector}` };
  // Asked for even where the spectrum is resident: whether a draft is here must not depend on another cache.
  if (expert === DRAFT) return { ...exact, reference: null, draft: drafts.get(selector) };
  return { ...exact, reference: { model, expert, version: selector }, draft: null };
}

const shortName = ({ name, reference }: NamedArm): string =>
  reference ? `${reference.model}/${reference.expert}@${reference.version.slice(0, 12)}` : name.slice(0, 18);
