const FACTORS: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
};

/**
 * Reads a quantity of Kubernetes' (`resource.Quantity`) of processors, such as `200m`, `0.5` or
 * `2`. Returns a number of CPUs; undefined for a text of another form.
 */
export function parseCpuQuantity(text: string | undefined): number | undefined {
  const [, number, suffix = ""] =
    /^\+?(\d+(?:\.\d*)?|\.\d+)([numkMG]|[eE][+-]?\d{1,3})?$/.exec(text ?? "") ?? [];
  if (number === undefined) return undefined;
  return suffix in FACTORS ? Number(number) * FACTORS[suffix] : Number(`${number}${suffix}`);
}

/** Writes so many CPUs as Kubernetes does: `200m`, `1500m`, `2`. */
export function formatCpuQuantity(cpus: number): string {
  const milliCpus = Math.round(cpus * 1000);
  return milliCpus % 1000 === 0 ? `${milliCpus / 1000}` : `${milliCpus}m`;
}
