import { mixerLaws } from '#models/laws.ts';
import { leakyMemory } from './leaky-memory.ts';

mixerLaws(leakyMemory, [{}, { width: 5 }]);
