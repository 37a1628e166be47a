/* Energy-based language models inside other programs: text in, text out, in memory that the caller lends.
 *
 * Every function returns a status (0 and above: success, below 0: an error; ebt_strerror makes a sentence of it), refuses
 * null pointers where none is allowed and lengths that no object can have, and allocates nothing. Model and memory stay
 * where they are until ebt_close; one generator is used by one thread at a time. Versions are semantic: before 1.0 the
 * order and size of fields and the numbers of codes may change with a minor version, never with a patch.
 *
 * Made by cbindgen from the Rust source: do not edit.
 */

#ifndef EBT_H
#define EBT_H

#include <stddef.h>
#include <stdint.h>

/*
 Keys and values are kept as they are: results are those of the model as it was trained.
 */
#define EBT_CACHE_F32 0

/*
 Keys and values are kept as half-precision numbers.
 */
#define EBT_CACHE_F16 1

/*
 Keys and values are kept as brain floats.
 */
#define EBT_CACHE_BF16 2

/*
 Keys and values are kept as 8-bit integers, with a scale a head and token.
 */
#define EBT_CACHE_INT8 3

/*
 Keys and values are kept as 4-bit integers, with a scale for 32 of them.
 */
#define EBT_CACHE_INT4 4

/*
 How steps are sized: by the model.
 */
#define EBT_STEP_MODEL 0

/*
 By `step_value`.
 */
#define EBT_STEP_FIXED 1

/*
 By backtracking until the energy decreases sufficiently.
 */
#define EBT_STEP_ARMIJO 2

/*
 `step_value / lambda_max`.
 */
#define EBT_STEP_CURVATURE 3

/*
 Noise: none.
 */
#define EBT_NOISE_NONE 0

/*
 Langevin noise with standard deviation `noise_value`.
 */
#define EBT_NOISE_LANGEVIN 1

/*
 Langevin dynamics at temperature `noise_value`.
 */
#define EBT_NOISE_TEMPERATURE 2

/*
 Metropolis-adjusted Langevin dynamics at temperature `noise_value`.
 */
#define EBT_NOISE_METROPOLIS 3

/*
 What every function returns: 0 and above is success, below 0 an error. `ebt_strerror` makes a sentence of it.
 */
enum ebt_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /*
   Done.
   */
  EBT_STATUS_OK = 0,
  /*
   Done, and the model has ended the text.
   */
  EBT_STATUS_END = 1,
  /*
   A pointer that must not be null is null.
   */
  EBT_STATUS_NULL = -1,
  /*
   A pointer is not aligned, or a length is larger than any object.
   */
  EBT_STATUS_LENGTH = -2,
  /*
   The bytes are no packed model that this version reads, or are damaged.
   */
  EBT_STATUS_MODEL = -3,
  /*
   The packed model holds no tokenizer, or one that does not fit it.
   */
  EBT_STATUS_TOKENIZER = -4,
  /*
   An option is out of its range.
   */
  EBT_STATUS_OPTION = -5,
  /*
   The memory is too small; `ebt_bytes_needed` says how much is needed.
   */
  EBT_STATUS_MEMORY = -6,
  /*
   The sizes do not fit in the address space of this machine.
   */
  EBT_STATUS_SIZE = -7,
  /*
   The text is not UTF-8.
   */
  EBT_STATUS_UTF8 = -8,
  /*
   The prompt is longer than option `prompt` allows.
   */
  EBT_STATUS_PROMPT = -9,
  /*
   The buffer for the text is too small; `ebt_piece_bytes` says how much a piece needs, and restoring takes four bytes a byte.
   */
  EBT_STATUS_BUFFER = -10,
  /*
   A token id is outside the vocabulary.
   */
  EBT_STATUS_TOKEN = -11,
  /*
   A setting is out of its range, or needs an option that the generator was not opened with.
   */
  EBT_STATUS_SETTING = -12,
  /*
   The callback cancelled the descent.
   */
  EBT_STATUS_CANCELLED = -13,
  /*
   An energy, a gradient or a logit is not finite.
   */
  EBT_STATUS_NOT_FINITE = -14,
  /*
   No token may be drawn.
   */
  EBT_STATUS_NO_TOKEN = -15,
  /*
   The handle is not one of an open generator, solver or restorer.
   */
  EBT_STATUS_CLOSED = -16,
  /*
   The generator or solver is in use: a callback may not use the one that calls it.
   */
  EBT_STATUS_BUSY = -17,
  /*
   A problem does not fit the model, or a cell of it has no allowed token.
   */
  EBT_STATUS_PROBLEM = -18,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum ebt_status ebt_status;
#else
typedef int32_t ebt_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/*
 A generator; lives in the memory that `ebt_open` was given.
 */
typedef struct ebt_generator ebt_generator;

/*
 A restorer; lives in the memory that `ebt_restorer_open` was given.
 */
typedef struct ebt_restorer ebt_restorer;

/*
 A solver; lives in the memory that `ebt_solver_open` was given.
 */
typedef struct ebt_solver ebt_solver;

/*
 Extents; they fix the memory that a generator needs. `ebt_options_default` fills in the usual ones.
 */
typedef struct ebt_options {
  /*
   Tokens of a prompt that are computed together.
   */
  uint32_t block;
  /*
   Candidates that are computed side by side.
   */
  uint32_t rows;
  /*
   Most descent steps of a token.
   */
  uint32_t steps;
  /*
   Most bytes of one prompt.
   */
  uint32_t prompt;
  /*
   Not 0: backtracking and Metropolis tests may be asked for.
   */
  uint32_t trials;
  /*
   Not 0: curvatures may be asked for.
   */
  uint32_t curvature;
  /*
   How observed keys and values are kept: `EBT_CACHE_F32` or a smaller one.
   */
  uint32_t cache;
} ebt_options;

/*
 How a problem is solved. `ebt_solver_settings_default` fills in the usual values.
 */
typedef struct ebt_solver_settings {
  /*
   Seed of the starts.
   */
  uint64_t seed;
  /*
   Most descent steps of a round; 0: the model's own number.
   */
  uint32_t steps;
  /*
   Starts; the best is kept.
   */
  uint32_t candidates;
  /*
   What best means: 0 the least final energy `E`, 1 the largest drop of `F`, 2 the least `F`, 3 the least entropy, 4 the
   least residual, 5 the answer that most candidates give.
   */
  uint32_t choose;
  /*
   Rounds of committing; 0 or 1: none.
   */
  uint32_t commits;
  /*
   Step size in step sizes of the model; 0: backtracking until the energy decreases sufficiently.
   */
  float eta;
  /*
   Standard deviation of the starts of further candidates; 0: the model's.
   */
  float spread;
} ebt_solver_settings;

/*
 How a token is thought of and drawn. `ebt_settings_default` fills in the usual values.
 */
typedef struct ebt_settings {
  /*
   Seed of all noise and draws.
   */
  uint64_t seed;
  /*
   Most descent steps; 0: the model's own number.
   */
  uint32_t steps;
  /*
   Starts of a token; the best is kept.
   */
  uint32_t candidates;
  /*
   What best means: 0 the least final energy, 1 the largest drop.
   */
  uint32_t choose;
  /*
   Not 0: the energy after every step is evaluated, so that the certificate says whether it decreased.
   */
  uint32_t certify;
  /*
   Hessian-vector products a step to measure `alpha lambda_max` with; 0: not measured.
   */
  uint32_t curvature;
  /*
   One of `EBT_STEP_...`.
   */
  uint32_t step_size;
  /*
   The step size, or the product `alpha lambda_max` wanted.
   */
  float step_value;
  /*
   One of `EBT_NOISE_...`.
   */
  uint32_t noise;
  /*
   The standard deviation or the temperature.
   */
  float noise_value;
  /*
   Transitions during which Metropolis steps are adapted.
   */
  uint32_t warm_up;
  /*
   Stop when a step changed the energy by no more than this; 0: off.
   */
  float tolerance_energy;
  /*
   Stop when the dissipation was no more than this; 0: off.
   */
  float tolerance_dissipation;
  /*
   Never stop before this many steps.
   */
  uint32_t min_steps;
  /*
   Logits are divided by this before the draw; 0 takes the most probable token.
   */
  float temperature;
  /*
   Draw from this many most probable tokens; 0: from all.
   */
  uint32_t top_k;
  /*
   Draw from the most probable tokens that together reach this probability; 1: from all.
   */
  float top_p;
  /*
   Draw from tokens with at least this share of the most probable token's probability; 0: from all.
   */
  float min_p;
} ebt_settings;

/*
 One candidate after one step of the descent. Arrays are borrowed until the callback returns.
 */
typedef struct ebt_step {
  /*
   Tokens before the one thought of.
   */
  uint32_t position;
  /*
   Candidate, from 0.
   */
  uint32_t candidate;
  /*
   Step, from 0.
   */
  uint32_t step;
  /*
   Landscape of the step.
   */
  uint32_t landscape;
  /*
   Energy before the step.
   */
  float energy;
  /*
   Energy after the step on the same landscape; not a number where it was not evaluated.
   */
  float energy_after;
  /*
   Step size; 0 where no trial was accepted.
   */
  float step_size;
  /*
   What the energy loses to first order per unit of step size.
   */
  float dissipation;
  /*
   Length of the two arrays.
   */
  size_t vocabulary;
  /*
   The new state.
   */
  const float *logits;
  /*
   The softmax of the new state.
   */
  const float *probabilities;
} ebt_step;

/*
 Sees every step; returns 0 to go on and anything else to cancel.
 */
typedef int (*ebt_step_function)(void *user, const struct ebt_step *step);

/*
 How a token, or the answer to a problem, was found. Arrays have `steps` numbers, but for `candidate_energies` with `candidates`; they are null where
 nothing was evaluated, and borrowed until the next call with the same generator or solver.
 */
typedef struct ebt_certificate {
  /*
   Tokens before this one.
   */
  uint32_t position;
  /*
   Which candidate was kept.
   */
  uint32_t candidate;
  /*
   Steps spent.
   */
  uint32_t steps;
  /*
   Why it stopped: 0 all steps were taken, 1 energy tolerance, 2 dissipation tolerance, 3 stationary to rounding.
   */
  uint32_t stop;
  /*
   Whether every step decreased the energy sufficiently: 1 yes, 0 no, -1 not evaluated.
   */
  int all_decreased;
  /*
   The constant of sufficient decrease.
   */
  float sufficient;
  /*
   The largest `alpha lambda_max`; not a number where it was not measured. Below 2 the linearised dynamics are stable.
   */
  float largest_alpha_lambda;
  /*
   Share of accepted Metropolis proposals; not a number without any.
   */
  float acceptance;
  /*
   Landscape of every step.
   */
  const uint32_t *landscapes;
  /*
   Energy before every step.
   */
  const float *energies;
  /*
   Energy after every step on the same landscape.
   */
  const float *energies_after;
  /*
   Step size of every step.
   */
  const float *step_sizes;
  /*
   Dissipation of every step.
   */
  const float *dissipations;
  /*
   `alpha lambda_max` of every step.
   */
  const float *alpha_lambda;
  /*
   How many candidates have a final energy.
   */
  uint32_t candidates;
  /*
   Final energies of the candidates.
   */
  const float *candidate_energies;
} ebt_certificate;

/*
 A generated token.
 */
typedef struct ebt_token {
  /*
   Its id.
   */
  uint32_t id;
  /*
   Its probability among the tokens that could be drawn.
   */
  float probability;
  /*
   Bytes written to the buffer for the piece of text, without the 0 that ends it.
   */
  size_t length;
  /*
   How it was found.
   */
  struct ebt_certificate certificate;
} ebt_token;

/*
 What became of a character.
 */
typedef struct ebt_letter {
  /*
   Where it starts in the text of its pass, in bytes.
   */
  size_t at;
  /*
   Number of the pass, from 0: text is restored until nothing changes any more.
   */
  uint32_t pass;
  /*
   The code point that stood there.
   */
  uint32_t was;
  /*
   The code point that belongs there, as the model says.
   */
  uint32_t is;
  /*
   How probable the model holds it; 1 where nothing else may stand there.
   */
  float probability;
  /*
   1 where anything else might have stood there, else 0.
   */
  uint32_t in_doubt;
} ebt_letter;

/*
 Sees a letter; may be null.
 */
typedef void (*ebt_letter_function)(void *user, const struct ebt_letter *letter);

/*
 The grid of a problem's cells.
 */
typedef struct ebt_grid {
  /*
   Rows of the grid.
   */
  uint32_t rows;
  /*
   Columns of the grid.
   */
  uint32_t columns;
  /*
   Rows of a box.
   */
  uint32_t box_rows;
  /*
   Columns of a box.
   */
  uint32_t box_columns;
} ebt_grid;

/*
 The answer to a problem, as it was found: energy, entropy and residual are those of its last state. `probabilities` has the
 vocabulary's numbers for every cell, borrowed as the arrays of the certificate are.
 */
typedef struct ebt_solution {
  /*
   Energy `E`.
   */
  float energy;
  /*
   `F = E - tau entropy`, what was descended on.
   */
  float free_energy;
  /*
   Entropy of the unknown cells in nats.
   */
  float entropy;
  /*
   How far the state is from rest: 0 where `F` is stationary.
   */
  float residual;
  /*
   Candidates that give this answer, itself included.
   */
  uint32_t votes;
  /*
   Probabilities of all tokens, cell by cell; exactly 0 where a token is not allowed.
   */
  const float *probabilities;
  /*
   How it was found.
   */
  struct ebt_certificate certificate;
} ebt_solution;

/*
 How long and how widely endings are looked for. `ebt_suggest_options_default` fills in the usual values.
 */
typedef struct ebt_suggest_options {
  /*
   Most endings that are given.
   */
  uint32_t words;
  /*
   Most evaluations of the model.
   */
  uint32_t evaluations;
  /*
   Paths of tokens, and as many endings, that are held at a time.
   */
  uint32_t paths;
  /*
   Most bytes of an ending, at most 192.
   */
  uint32_t bytes;
  /*
   The search ends when no open path promises this multiple of the probability of the last ending asked for; 0: follow all.
   */
  float least;
} ebt_suggest_options;

/*
 A token of a text that was scored; its bytes lie in the model.
 */
typedef struct ebt_scored {
  /*
   Number of the token.
   */
  uint32_t id;
  /*
   Bits that it took: minus the binary logarithm of its probability.
   */
  float bits;
  /*
   Where its bytes stand in the text.
   */
  size_t at;
  /*
   Its bytes; they may begin or end inside a character, and no 0 ends them.
   */
  const uint8_t *bytes;
  /*
   How many they are.
   */
  size_t length;
} ebt_scored;

/*
 Sees a token that was scored; may be null.
 */
typedef void (*ebt_scored_function)(void *user, const struct ebt_scored *scored);

/*
 What a whole text took.
 */
typedef struct ebt_score_sum {
  /*
   Bits of all tokens.
   */
  double bits;
  /*
   Tokens of the text.
   */
  size_t tokens;
  /*
   Bytes of the text.
   */
  size_t bytes;
} ebt_score_sum;

/*
 A way to finish a text; valid during the call.
 */
typedef struct ebt_suggestion {
  /*
   What comes behind the text, in UTF-8; no 0 ends it.
   */
  const char *ending;
  /*
   Its bytes; none where the last word of the text is complete.
   */
  size_t length;
  /*
   The probability that the text goes on so and that its word ends there.
   */
  float probability;
} ebt_suggestion;

/*
 Sees a suggestion.
 */
typedef void (*ebt_suggestion_function)(void *user, const struct ebt_suggestion *suggestion);

/*
 What a search did.
 */
typedef struct ebt_suggested {
  /*
   Suggestions that were given.
   */
  size_t words;
  /*
   Evaluations of the model.
   */
  size_t evaluations;
  /*
   Tokens that were observed.
   */
  size_t observed;
} ebt_suggested;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The version of the library, `major.minor.patch`; never null, never to be freed.
 */
const char *ebt_version(void);

/*
 Fills in the usual options.

 # Safety

 `options` is null or points to memory for options.
 */
int ebt_options_default(struct ebt_options *options);

/*
 Fills in the usual settings of a solver.

 # Safety

 `settings` is null or points to memory for settings.
 */
int ebt_solver_settings_default(struct ebt_solver_settings *settings);

/*
 Fills in the usual settings.

 # Safety

 `settings` is null or points to memory for settings.
 */
int ebt_settings_default(struct ebt_settings *settings);

/*
 Writes to `bytes` how much memory a generator of this model with these options needs, whatever its alignment.
 Null options are the usual ones.

 # Safety

 `model` points to `length` bytes.
 */
int ebt_bytes_needed(const uint8_t *model, size_t length, const struct ebt_options *options, size_t *bytes);

/*
 Opens a generator at the beginning of an empty text, in `memory`, and writes its handle to `generator`. Nothing has to
 be freed. Null options are the usual ones.

 # Safety

 `model` points to `length` bytes and `memory` to `memory_length`; both stay there, the model unchanged and the memory
 used by nobody else, until the generator is no longer used.
 */
int ebt_open(const uint8_t *model,
             size_t length,
             const struct ebt_options *options,
             void *memory,
             size_t memory_length,
             struct ebt_generator **generator);

/*
 Writes how many bytes a buffer for pieces of text needs, the 0 at its end included.

 # Safety

 `generator` is open.
 */
int ebt_piece_bytes(struct ebt_generator *generator, size_t *bytes);

/*
 Writes how many tokens the model knows: the length of arrays of logits and probabilities.

 # Safety

 `generator` is open.
 */
int ebt_vocabulary(struct ebt_generator *generator, size_t *tokens);

/*
 Points `bytes` to the bytes of token `id`, `length` of them, none for a special token. They may begin or end inside a
 character, and lie in the model.

 # Safety

 `generator` is open.
 */
int ebt_token_bytes(struct ebt_generator *generator, uint32_t id, const uint8_t **bytes, size_t *length);

/*
 Adds `length` bytes of UTF-8 to the text so far, whoever wrote that.

 # Safety

 `generator` is open; `text` points to `length` bytes.
 */
int ebt_prompt(struct ebt_generator *generator, const char *text, size_t length);

/*
 Adds `count` tokens to the text so far as they are.

 # Safety

 `generator` is open; `ids` points to `count` numbers.
 */
int ebt_accept(struct ebt_generator *generator, const uint32_t *ids, size_t count);

/*
 Thinks of the next token and draws it. Its text is written to `piece`, with a 0 behind it: whole characters only, so it
 may be empty and may hold characters begun by earlier tokens. Returns `EBT_STATUS_END` when the model ended the text; `piece`
 then holds what was left of it. Null settings are the usual ones; `on_step` may be null. After an error the text so far
 is unchanged and the call may be repeated. While `on_step` runs the generator is in use: `ebt_piece_bytes`,
 `ebt_vocabulary` and `ebt_token_bytes` answer, every other function refuses with `EBT_STATUS_BUSY`.

 # Safety

 `generator` is open; `piece` points to `piece_length` bytes, `token` to a token; `on_step` may be called with `user` and
 returns.
 */
int ebt_next(struct ebt_generator *generator,
             const struct ebt_settings *settings,
             ebt_step_function on_step,
             void *user,
             char *piece,
             size_t piece_length,
             struct ebt_token *token);

/*
 Energies, on one landscape, of `count` distributions of the token that the last `ebt_next` thought of: the landscape
 that its descent moved on. `probabilities` holds `count` times the vocabulary's numbers, `energies` `count`.

 # Safety

 `generator` is open; the arrays hold as many numbers.
 */
int ebt_energies(struct ebt_generator *generator,
                 uint32_t landscape,
                 const float *probabilities,
                 size_t count,
                 float *energies);

/*
 Back to the beginning of an empty text.

 # Safety

 `generator` is open.
 */
int ebt_reset(struct ebt_generator *generator);

/*
 Ends the use of a generator: from now on its handle is refused, and its memory may be used for anything else.

 # Safety

 `generator` came from `ebt_open` and its memory is still there.
 */
int ebt_close(struct ebt_generator *generator);

/*
 Writes to `bytes` how much memory a restorer with this model of letters and these options needs, whatever its alignment. Null
 options are the usual ones; `rows` is the most candidates of a window, `block` and `prompt` do not count.

 # Safety

 `model` points to `length` bytes.
 */
int ebt_restorer_bytes_needed(const uint8_t *model,
                              size_t length,
                              const struct ebt_options *options,
                              size_t *bytes);

/*
 Opens a restorer in `memory`, and writes its handle to `restorer`. Nothing has to be freed. Null options are the usual ones.

 # Safety

 `model` points to `length` bytes and `memory` to `memory_length`; both stay there, the model unchanged and the memory
 used by nobody else, until the restorer is no longer used.
 */
int ebt_restorer_open(const uint8_t *model,
                      size_t length,
                      const struct ebt_options *options,
                      void *memory,
                      size_t memory_length,
                      struct ebt_restorer **restorer);

/*
 Restores `text`, a line or more of `length` bytes, until nothing changes any more. `damage` is 0 for text typed without Turkish
 letters, 1 where circumflexes were left out too, 2 where letters are lost and `_` stands for each, 3
 where neighbouring keys were hit, 4 where letters were taken for others that look alike; `steps` 0 for the model's own
 number. The result lies in `scratch`, which must hold four bytes for every byte of the text: `*restored` points to it, and
 `*restored_length` is its length (no 0 ends it). `on_letter` may be null; it sees every character of every pass in order. While it
 runs the restorer is in use, and every function refuses it with `EBT_STATUS_BUSY`.

 # Safety

 `restorer` is open; `text` points to `length` bytes and `scratch` to `scratch_length`; `on_letter` may be called with `user` and
 returns.
 */
int ebt_restorer_restore(struct ebt_restorer *restorer,
                         uint32_t damage,
                         uint32_t steps,
                         const char *text,
                         size_t length,
                         char *scratch,
                         size_t scratch_length,
                         ebt_letter_function on_letter,
                         void *user,
                         const char **restored,
                         size_t *restored_length);

/*
 Ends the use of a restorer: from now on its handle is refused, and its memory may be used for anything else.

 # Safety

 `restorer` came from `ebt_restorer_open` and its memory is still there.
 */
int ebt_restorer_close(struct ebt_restorer *restorer);

/*
 Writes to `bytes` how much memory a solver of this joint model with these options needs, whatever its alignment. Null
 options are the usual ones; `rows` is the most candidates of a problem, `block` and `prompt` do not count.

 # Safety

 `model` points to `length` bytes.
 */
int ebt_solver_bytes_needed(const uint8_t *model, size_t length, const struct ebt_options *options, size_t *bytes);

/*
 Opens a solver in `memory`, and writes its handle to `solver`. Nothing has to be freed. Null options are the usual ones.

 # Safety

 `model` points to `length` bytes and `memory` to `memory_length`; both stay there, the model unchanged and the memory
 used by nobody else, until the solver is no longer used.
 */
int ebt_solver_open(const uint8_t *model,
                    size_t length,
                    const struct ebt_options *options,
                    void *memory,
                    size_t memory_length,
                    struct ebt_solver **solver);

/*
 Writes how many cells a problem has at most (exactly, where cells are those of a grid), and how many tokens there are.

 # Safety

 `solver` is open.
 */
int ebt_solver_sizes(struct ebt_solver *solver, size_t *cells, size_t *vocabulary);

/*
 Writes the grid that the cells of a problem are those of, row by row; all of it 0 where there is none.

 # Safety

 `solver` is open.
 */
int ebt_solver_grid(struct ebt_solver *solver, struct ebt_grid *grid);

/*
 Answers a problem of `cells` cells. `allowed` holds `(vocabulary + 31) / 32` words a cell: bit `v % 32` of word `v / 32` allows
 token `v`, and a cell with one allowed token is given. `answer` takes a token a cell. Null settings are the usual ones;
 `on_step` may be null, and its arrays are those of all cells. While it runs the solver is in use: `ebt_solver_sizes` and
 `ebt_solver_grid` answer, every other function refuses with `EBT_STATUS_BUSY`.

 # Safety

 `solver` is open; `allowed` and `answer` hold as many numbers, `solution` points to a solution; `on_step` may be called with
 `user` and returns.
 */
int ebt_solver_solve(struct ebt_solver *solver,
                     const struct ebt_solver_settings *settings,
                     ebt_step_function on_step,
                     void *user,
                     const uint32_t *allowed,
                     size_t cells,
                     uint32_t *answer,
                     struct ebt_solution *solution);

/*
 Ends the use of a solver: from now on its handle is refused, and its memory may be used for anything else.

 # Safety

 `solver` came from `ebt_solver_open` and its memory is still there.
 */
int ebt_solver_close(struct ebt_solver *solver);

/*
 A sentence for a code that a function returned; never null, never to be freed.
 */
const char *ebt_strerror(int status);

/*
 Fills in the usual options of suggestions.

 # Safety

 `options` is null or points to memory for options.
 */
int ebt_suggest_options_default(struct ebt_suggest_options *options);

/*
 Writes how many bytes at the front of a text are finished: their tokens are the same whatever follows the text.

 # Safety

 `generator` is open; `text` points to `length` bytes.
 */
int ebt_finished(struct ebt_generator *generator, const char *text, size_t length, size_t *bytes);

/*
 Writes where the unfinished word at the end of a text begins: `length` where it ends in none.

 # Safety

 `text` points to `length` bytes.
 */
int ebt_word_start(const char *text, size_t length, size_t *bytes);

/*
 Adds `length` bytes of UTF-8 to the text so far, of any length, and says what they took: bits of every token, and of all in `score`.
 Of the settings, those of the draw do not count; null settings are the usual ones. `on_scored` may be null. While it runs the
 generator is in use, as in `ebt_next`.

 # Safety

 `generator` is open; `text` points to `length` bytes, `score` to a score; `on_scored` may be called with `user` and returns.
 */
int ebt_score(struct ebt_generator *generator,
              const struct ebt_settings *settings,
              const char *text,
              size_t length,
              ebt_scored_function on_scored,
              void *user,
              struct ebt_score_sum *score);

/*
 Writes how much memory a search takes. Null options are the usual ones.

 # Safety

 `options` is null or points to options.
 */
int ebt_suggest_bytes_needed(const struct ebt_suggest_options *options, size_t *bytes);

/*
 The likeliest ways to go on, after the text so far and `length` bytes of UTF-8, to the end of the word that these end in, or by a
 whole word where they end in none, the likeliest first. The text so far stays as it is. What is finished of a long text
 (`ebt_finished`) is prompted before. `memory` begins at a multiple of 4 and holds what `ebt_suggest_bytes_needed` says; null
 settings and options are the usual ones. While `on_suggestion` runs the generator is in use, as in `ebt_next`.

 # Safety

 `generator` is open; `text` points to `length` bytes and `memory` to `memory_length`, used by nobody else meanwhile; `done` points
 to memory for what was done; `on_suggestion` may be called with `user` and returns.
 */
int ebt_suggest(struct ebt_generator *generator,
                const struct ebt_settings *settings,
                const struct ebt_suggest_options *options,
                const char *text,
                size_t length,
                void *memory,
                size_t memory_length,
                ebt_suggestion_function on_suggestion,
                void *user,
                struct ebt_suggested *done);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EBT_H */
