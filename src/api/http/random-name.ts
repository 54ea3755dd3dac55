import { integerBetween, type Random } from "../../base/random.js";

const ADJECTIVES = (
  "able agile amber ample apt ardent bold brave breezy bright brisk calm candid clear clever cosy crisp curious daring deft eager " +
  "early fair fleet fond frank free fresh gentle glad golden grand happy hardy honest humble jolly keen kind light lively loyal lucid " +
  "mellow merry mild modest neat nimble noble patient plucky polite prompt proud quick quiet ready rosy serene sharp silver sleek smart " +
  "snug sober solid sound spry steady still stout sunny sure swift tame tidy true vivid warm wise witty zesty"
).split(" ");

const NOUNS = (
  "acorn alder anchor arrow aspen badger beacon birch bison brook canyon cedar clover comet compass condor coral cove crane creek " +
  "delta dolphin dune eagle ember falcon fern finch fjord fox garnet glacier harbor hawk hazel heron holly island ivy juniper kestrel " +
  "lagoon lark laurel lynx maple marlin marten meadow mesa moss oak ocean opal orca osprey otter owl pebble pine plover poplar puffin " +
  "quartz raven reef ridge river robin rowan sable sage seal sequoia spruce stork summit swallow swan thistle tiger trout tulip valley " +
  "walnut willow wren yew"
).split(" ");

/** A name for a service that its creator did not name: two words, and a number while that name is taken. */
export function randomName(random: Random, isTaken: (name: string) => boolean): string {
  const name = `${pick(random, ADJECTIVES)}_${pick(random, NOUNS)}`;
  if (!isTaken(name)) return name;
  for (let number = 2; ; number++) if (!isTaken(`${name}${number}`)) return `${name}${number}`;
}

function pick(random: Random, words: readonly string[]): string {
  return words[integerBetween(random, 0, words.length - 1)] ?? "";
}
