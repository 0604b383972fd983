/**
 * A quick yes-or-no form of a zod schema. zod copies what it checks and explains what is wrong; a store of 100,000
 * records needs neither, and reads twice as fast with plain functions. They are made from the schema itself, so the
 * contract stays in one place.
 */
import { z } from '#core/config.ts';

export type QuickCheck = (value: unknown) => boolean;

/**
 * A check that says yes only to what `schema` accepts as it stands, with nothing left to fill in: a missing field
 * that has a default gets a no. Whatever it has no quick form for, it leaves to zod.
 */
export function quickCheck(schema: z.core.$ZodType): QuickCheck {
  const slow: QuickCheck = (value) => z.safeParse(schema, value).success;
  if (schema instanceof z.ZodObject) {
    if (schema.def.catchall?._zod.def.type !== 'never') return slow; // only closed objects have a quick form
    return closed(Object.entries(schema.def.shape).map(([key, field]) => [key, quickCheck(field)]));
  }
  if (schema instanceof z.ZodArray) {
    const bounds = (schema.def.checks ?? []).map(bound);
    return bounds.includes(undefined) ? slow : allOf([every(quickCheck(schema.def.element)), ...(bounds as QuickCheck[])]);
  }
  if (schema instanceof z.ZodOptional) return either((value) => value === undefined, quickCheck(schema.def.innerType));
  if (schema instanceof z.ZodNullable) return either((value) => value === null, quickCheck(schema.def.innerType));
  if (schema instanceof z.ZodDefault) return quickCheck(schema.def.innerType);
  if (schema instanceof z.ZodEnum) return (value) => schema.options.includes(value as never);
  if (schema instanceof z.ZodLiteral) return (value) => schema.def.values.includes(value as never);
  if (schema instanceof z.ZodUnknown) return () => true;
  if (schema instanceof z.ZodBoolean) return (value) => typeof value === 'boolean';
  if (schema instanceof z.ZodUnion) return schema.def.options.map(quickCheck).reduce(either);
  if (schema instanceof z.ZodRecord && schema.def.keyType instanceof z.ZodString && !schema.def.keyType.def.checks?.length) {
    const check = quickCheck(schema.def.valueType);
    return (value) => {
      if (!isPlain(value)) return false;
      for (const key of Object.keys(value)) if (!check(value[key])) return false;
      return true;
    };
  }
  if (schema instanceof z.ZodNumber) {
    const bounds = (schema.def.checks ?? []).map(bound);
    if (bounds.includes(undefined)) return slow;
    return allOf([schema instanceof z.ZodNumberFormat ? wholeCheck(schema) : Number.isFinite, ...(bounds as QuickCheck[])]);
  }
  if (schema instanceof z.ZodISODateTime && !schema.def.checks?.length && schema.def.pattern) {
    const { pattern } = schema.def;
    return (value) => typeof value === 'string' && pattern.test(value);
  }
  if (schema instanceof z.ZodString && !schema.def.checks?.length) return (value) => typeof value === 'string';
  return slow;
}

function wholeCheck(schema: z.ZodNumberFormat): QuickCheck {
  return schema.format === 'safeint' ? Number.isSafeInteger : (value) => z.safeParse(schema, value).success;
}

/** `.min`, `.max`, `.positive` of a number and `.min` of an array as a function; undefined for any other check. */
function bound(check: z.core.$ZodCheck): QuickCheck | undefined {
  const def = check._zod.def as z.core.$ZodCheckLessThanDef | z.core.$ZodCheckGreaterThanDef | z.core.$ZodCheckMinLengthDef;
  if (def.check === 'min_length') return (value) => (value as unknown[]).length >= (def).minimum;
  const limit = def.value as number;
  if (def.check === 'greater_than') return def.inclusive ? (value) => (value as number) >= limit : (value) => (value as number) > limit;
  if (def.check === 'less_than') return def.inclusive ? (value) => (value as number) <= limit : (value) => (value as number) < limit;
  return undefined;
}

/**
 * All fields right, and no key beside them. Plain loops here and below: this is most of the time of a check. Records that are read one after
 * another hold some of the same objects: the one that was right last is right.
 */
function closed(fields: readonly (readonly [string, QuickCheck])[]): QuickCheck {
  const keys = fields.map(([key]) => key);
  const checks = fields.map(([, check]) => check);
  let right: unknown;
  return (value) => {
    if (!isPlain(value)) return false;
    if (value === right) return true;
    // where the keys stand in the schema's order, one walk along both finds the fields quicker than their names do
    const [names, values] = [Object.keys(value), Object.values(value)];
    let [at, known] = [0, 0];
    for (let i = 0; i < keys.length; i++) {
      const field = names[at] === keys[i] ? values[at++] : value[keys[i]];
      if (!checks[i](field)) return false;
      if (field !== undefined) known++;
    }
    if (known !== names.length) return false;
    right = value;
    return true;
  };
}

function every(check: QuickCheck): QuickCheck {
  return (value) => {
    if (!Array.isArray(value)) return false;
    for (let i = 0; i < value.length; i++) if (!check(value[i])) return false;
    return true;
  };
}

/** All of the checks, in order. */
function allOf(checks: readonly QuickCheck[]): QuickCheck {
  return checks.length === 1 ? checks[0] : (value) => checks.every((check) => check(value));
}

function either(a: QuickCheck, b: QuickCheck): QuickCheck {
  return (value) => a(value) || b(value);
}

/** An object of JSON: neither null nor a list. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
