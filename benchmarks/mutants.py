"""Do the tests bite? One realistic fault at a time is built into a copy of the project, and the test that should see it is run.

`python benchmarks/mutants.py` makes the table of all; `--only fsync` of those with the word in name, module or old text;
`--list` names them. A fault is put into notebook and module alike. It is *killed* where a test fails, and *survived* where
none does; *not applicable* says that its text is not there exactly once, or that the copy cannot be imported with it.
Each row of `MUTANTS`: a name, the module (or the script of a view), old text, new text, and the tests, in short:
`test_losses::test_hinge` is tests/test_losses.py::test_hinge, `nb:engine/rng` the run of that notebook, `js` Node's tests.
"""
import argparse, json, multiprocessing, os, shutil, sys, tempfile, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
NOT_COPIED = shutil.ignore_patterns('.*', '_proc', '_docs', '__pycache__', 'build', 'dist', '*.egg-info', 'node_modules', 'runs')

class Mutant(NamedTuple):
    name: str
    where: str   # 'engine/rng', or 'panels/axes.js'
    old: str     # text that stands there exactly once
    new: str     # what stands there instead
    tests: str   # short names, separated by spaces

    @property
    def layer(self)->str:
        if self.where.endswith('.js'): return 'views'
        return self.where.partition('/')[0]

    def files(self, root:Path)->list: # the module and the notebook, or the script
        if self.where.endswith('.js'): return [root/'ganlab'/self.where]
        return [root/'ganlab'/f'{self.where}.py', root/'nbs'/f'{self.where}.ipynb']

MUTANTS = [Mutant(*row) for row in (
    # the floor: files, numbers, Ctrl-C
    ('the least that is allowed is refused', 'base/checks', 'n >= lo', 'n > lo', 'nb:base/checks'),
    ('a file loses its permissions', 'base/files', 'part.chmod(mode)', 'part.touch()',
     'test_files::test_a_link_and_permissions_stay'),
    ('half a file is left lying', 'base/files', 'for part in parts: part.unlink(missing_ok=True)', 'parts.clear()',
     'test_files::test_a_failure_halfway_leaves_the_old_file'),
    ('a line a step in a log', 'base/progress', 'or now < self.due: return', 'or False: return',
     'test_command_mistakes::test_a_log_has_a_line_a_minute'),
    ('the first Ctrl-C tears a step', 'base/interrupt', 'self.noted > 1', 'self.noted > 0', 'nb:base/interrupt'),

    # data
    ('held-out data is trained on', 'data', 'return loaders[0], ', 'return loaders[-1], ',
     'test_data::test_a_pair_of_loaders'),
    ('another seed, the same batches', 'data', 'streams = streams or Streams(0)', 'streams = Streams(0)', 'test_data::test_a_pair_of_loaders'),
    ('the same order every epoch', 'sources/arrays', "streams.generator('data', e)", "streams.generator('data', 0)",
     'test_data::test_the_order_is_the_stream'),
    ('what is held out is trained on, too', 'sources/arrays', 'order[n//10:].sort()', 'order.sort()',
     'test_data::test_a_tenth_is_held_out'),
    ('no way back within an epoch', 'sources/loaders', 'or i < self._next:', 'or False:', 'test_going_back::test_going_back_where_nothing_is_kept'),
    ('a batch that was written into is given again', 'sources/loaders', 'writes(batch.x) == version', 'version >= 0',
     'test_going_back::test_a_batch_that_was_written_into_is_read_again'),
    ("NumPy's generator is not put back", 'sources/randomness', 'np.random.set_state(np_state)', 'np.random.get_state()',
     'test_data::test_loaders_leave_the_generators_alone'),
    ('the way back to [0, 1] is shifted', 'sources/ranges', '/2) + black', '/2) - black', 'test_range::test_there_and_back'),
    ('fading goes the wrong way', 'sources/growing', '(1 - alpha)*a + alpha*b', 'alpha*a + (1 - alpha)*b',
     'test_growing::test_both_ends_of_the_stretch'),
    ('sigma is not scaled', 'sources/toys', '_mixture(c, sigma*scale)', '_mixture(c, sigma)',
     'test_data::test_a_smaller_picture_is_the_same_picture'),
    ('every batch is augmented alike', 'sources/walks', '*1_000_000 + self._drawn', '*1_000_000',
     'test_draws::test_loaders_draw_what_they_drew'),
    ('rows and columns exchanged', 'sources/drawing', 'r, k = divmod(i, cols)', 'k, r = divmod(i, cols)',
     'test_data::test_grid_and_figures'),

    # a step and its switches
    # several processes
    ('each rank draws numbers of its own', 'engine/dealing', 'return team.mine(draw(team.size*n))', 'return draw(n)',
     'test_team::test_equal'),
    ('BatchNorm sees the rows of one rank', 'engine/dealing', 'if func is F.batch_norm: return', 'if func is None: return',
     'nb:engine/dealing'),
    ('gradients are added up over ranks', 'engine/team', 'self.sum_(_flat(ts)).div_(self.size)', 'self.sum_(_flat(ts))',
     'test_team::test_equal'),
    ('the sum over ranks has no way back', 'engine/team', 'def backward(ctx, g): return _Summed.apply(g, ctx.team), None',
     'def backward(ctx, g): return g, None', 'nb:engine/team'),
    ('a rank keeps its failure to itself', 'engine/together', 'told = None if isinstance(error, Parted) else list(said)',
     'told = None', 'test_team::test_failure'),
    ('rank 0 tells nobody of a switch', 'engine/applying', 'if self.learn.team.leads:', 'if False:',
     'test_team::test_live_switches'),
    ('a rank that arrives goes on by itself', 'engine/abreast', 'team.meet()', 'pass', 'test_team::test_by_hand'),
    ('a broken step leaves its gradients', 'engine/recovery', 'if self.ring.stale: return self._forget_gradients()',
     'if self.ring.stale: return None', 'test_team::test_by_hand'),
    ('rank 0 goes back where it does not lead', 'engine/together', 'if self.may_apply or not self.team.first: self.turnstile',
     'if self.team: self.turnstile', 'test_team::test_rewound_by_thread'),
    ('a verdict stays with rank 0', 'travel/trial', 'if learn.team.leads: learn.team.order(judged', 'if False: dict(judged',
     'test_team::test_tried_by_mail'),
    ('a loss that compares sees the scores of one rank', 'engine/whole', 'or not self._compares(loss): return scores',
     'or self.team.size: return scores', 'test_team::test_equal'),
    ('all updates of a step have one stream', 'engine/rng', "{name}/{step}/{k}'", "{name}/{step}'", 'nb:engine/rng'),
    ("the user's generator is seeded", 'engine/rng', 'for g in self.gens: g.manual_seed(seed)',
     'for g in (*self.gens, torch.default_generator): g.manual_seed(seed)', 'test_learner::test_the_generators_stay_the_users'),
    ('a generator that was lent is not put back', 'engine/rng', 'for g, st in zip(self.lent, self.saved):', 'for g, st in ():',
     'test_draws::test_a_generator_that_has_to_be_lent_is_told'),
    ('a half step is in no snapshot', 'engine/snapshots', 'half=learn.half', 'half=None',
     'test_learner::test_a_half_step_that_waits_is_in_the_snapshot'),
    ('a half step is not put back', 'engine/snapshots', "nums['batches'], nums['half']", "nums['batches'], None",
     'test_learner::test_a_half_step_that_waits_is_in_the_snapshot'),
    ('a half step is not in the hash', 'engine/named_state', 'half=learn.half', 'half=None',
     'test_learner::test_a_half_step_that_waits_is_in_the_snapshot'),
    ('who was leaving stays', 'engine/snapshots', 's.since, s.leaving', 's.since, None',
     'test_switching::test_failure_while_a_trick_leaves'),
    ('rates are not put back', 'engine/snapshots', "learn.rates.load(nums['rates'])", "learn.rates.state()",
     'test_learner::test_restore_goes_back_in_settings'),
    ('a sample leaves G in eval mode', 'engine/still', 'for m in was: m.training = True', 'for m in was: m.training = False',
     'test_learner::test_sampling_keeps_each_module_in_its_mode'),
    ('looking moves running means', 'engine/still', 'own_buffers(m)[name] = b.clone()', 'own_buffers(m)[name] = b',
     'test_findings::test_looking_moves_no_counter'),
    ('looking advances what D remembers', 'engine/looking', 'eval_mode(net), held(net)', 'eval_mode(net)',
     'test_findings::test_looking_moves_no_counter'),
    ("D's loss reaches G", 'learner', 'c.xf.detach(), c.y, []', 'c.xf, c.y, []', 'test_learner::test_equals_the_loop_by_hand'),
    ('the same latents in each update', 'engine/asking', "'z', self.step, k)", "'z', self.step, 0)",
     'test_learner::test_equals_the_loop_by_hand'),
    ('a term is taken off the loss', 'engine/asking', '= loss + term, term', '= loss - term, term',
     'test_learner::test_terms_are_summed_and_logged'),
    ('a half step for ever', 'engine/rows', 'self.state.step, self.state.half = self.step + 1, None', 'self.state.step = self.step + 1',
     'test_learner::test_half_steps'),
    ('a norm that is a sum', 'engine/rows', 'sum([v*v for v in', 'sum([v for v in',
     'test_learner::test_gradient_norms_are_those_of_the_step'),
    ('what is absent is 0', 'engine/scalars', 'n:] = np.nan', 'n:] = 0',
     'test_learner::test_terms_are_summed_and_logged'),
    ('curves do not hear of a rewind', 'engine/scalars', 'self.n, self.era = n, self.era + 1', 'self.n = n',
     'test_runs_findings::test_curves_where_as_many_rows_came_again'),
    ('its own rate is taken for an edit', 'engine/rates', "g['lr'] = w['lr'] = b['lr']*f", "g['lr'] = b['lr']*f",
     'test_rates::test_on_and_off_while_it_trains'),
    ("fastai's schedule is ignored", 'engine/rates', 'self.mult*factors.get', 'factors.get',
     'test_fastai::test_param_scheduler'),
    ('tricks act in any order', 'engine/kinds', "attrgetter('order', 'number')", "attrgetter('number', 'order')",
     'test_runs_findings::test_the_average_is_of_what_an_extragradient_step_leaves'),
    ('since the beginning, not since the switch', 'engine/kinds', 't.enabled, t.since = True, self.learn.step',
     't.enabled, t.since = True, 0', 'test_penalties::test_ramp'),
    ('`at` is ignored', 'engine/applying', 'if c.at is None or c.at <= step]', 'if c.at is None or step >= 0]',
     'test_switching::test_a_change_waits_for_its_step'),
    ('last asked, first applied', 'engine/queue', 'self.waiting += changes', 'self.waiting = [*changes, *self.waiting]',
     'test_switching::test_order_at_one_boundary'),
    ('sums in another order', 'engine/turnstile', 'if threads != self.n_threads:', 'if False:', 'test_threads::test_torchs_threads_are_those_of_the_beginning'),
    ('a step is computed again at another rate', 'engine/recovery', 'mults.get(self.step, mult)', 'mult',
     'test_learner::test_failure_on_a_schedule'),
    ('a refused switch leaves attributes', 'engine/rollback', 'for name in now.keys() - attrs.keys(): del now[name]',
     'for name in (): del now[name]', 'test_refusals::test_half_made'),
    ('the level is doubled', 'engine/level', 'bias.sub_(shift)', 'bias.add_(shift)',
     'test_penalties::test_leaving_takes_the_level_off'),
    ('what is beside stands in place', 'engine/surgery', 'laid_like(y + m(x), y)', 'laid_like(m(x), y)',
     'test_grafts::test_silent_then_alive'),
    ('it leaves a step late', 'engine/surgery', '(n - done - 1)/(n - done)', '(n - done)/(n - done + 1)',
     'test_grafts::test_leaves_over_some_steps'),
    ('squares scaled as gradients', 'engine/optimizers', '1., c)**power)', '1., c))',
     'test_optimizers::test_memory_follows_a_scaled_weight'),
    ('dropout is not made up for', 'engine/draws', '.bernoulli_(1 - p, generator=g).div_(1 - p)',
     '.bernoulli_(1 - p, generator=g)', 'test_draws::test_the_very_numbers_of_the_default_generator'),

    # the step
    ('all updates of D alike', 'learner', "c = self.open_update(k, 'd')", "c = self.open_update(0, 'd')",
     'test_learner::test_equals_the_loop_by_hand'),
    ("G draws from D's stream", 'learner', "self.rng.seed('g', c.step, c.k)", "self.rng.seed('d-scores', c.step, c.k)",
     'test_draws::test_each_part_of_a_step_has_a_stream_of_its_own'),
    ('gradients add up', 'learner', 'for p in trained: p.grad = None', 'for p in (): p.grad = None',
     'test_learner::test_equals_the_loop_by_hand'),
    ('a half step of D is forgotten', 'learner', 'if not (self.together and keep):', 'if not self.together:',
     'test_learner::test_half_steps'),
    ("G's loss moves D", 'learner', "with still(self.trained['d']):", 'with nullcontext():',
     'test_learner::test_idle_network_at_rest'),
    ("G's loss has another batch", 'learner', "if k else c)", "if k > 1 else c)", 'test_rates::test_counts_of_updates'),

    # losses, metrics, networks
    ('a margin on the wrong side', 'losses', 'relu(1+l_fake)', 'relu(1-l_fake)', 'test_losses::test_hinge'),
    ('relativistic, the other way round', 'losses', 'softplus(self.diff(', 'softplus(-self.diff(',
     'test_losses::test_relativistic'),
    ('G aims at a smoothed label', 'losses', 'bce_real(l_fake, self.gen)', 'bce_real(l_fake, self.real)',
     'test_losses::test_bce_is_torchs'),
    ('what a loss says of the level is not believed', 'loss', "getattr(loss, 'level', None), bool)", "getattr(loss, 'level', None), str)",
     'test_doors::test_level_as_the_loss_says'),
    ('a metric is felt', 'engine/still', 'for p, grad in grads: p.grad = grad', 'for p, grad in grads: pass', 'test_doors::test_metric_is_not_felt'),
    ('a metric takes the stream of the training', 'engine/measuring', "self.record.put(m.name, measured(m, self))", "self.record.put(m.name, float(m(self)))",
     'test_doors::test_metric_is_not_felt'),
    ('a metric that failed is asked again', 'engine/measuring', 'm.name not in self.failed and', 'm.name not in self.due and',
     'test_doors::test_metric_that_fails'),
    ("G aims at D's code of reals", 'losses', '(l_fake-self.gen)**2', '(l_fake-self.real)**2', 'test_losses::test_what_g_aims_at_is_its_own_target'),
    ('more modes, less even', 'metrics', 'modes*p).sum()', 'p).sum()', 'test_metrics::test_mode_coverage_by_hand'),
    ('one neighbour too few', 'metrics', 'kthvalue(k + 1, 1)', 'kthvalue(k, 1)', 'test_metrics::test_prdc_by_brute_force'),
    ('biased', 'metrics', '(len(x)*(len(x) - 1))', '(len(x)*len(x))', 'test_metrics::test_kernel_distance_by_brute_force'),
    ('BatchNorm next to the image', 'nets', 'down(channels, ws[0], False)', 'down(channels, ws[0], bn_d)',
     'test_nets::test_dcgan_init_and_norms'),
    ('scores begin far from 0', 'nets', 'D[-2].weight.data.div_(16)', 'D[-2].weight.data.div_(1)',
     'test_nets::test_scores_start_near_zero'),

    # the record
    ('a file may be lost with the power', 'record/folder', 'os.fsync(f.fileno())', 'f.flush()', 'test_disk::test_a_file'),
    ('a file loses its name with the power', 'record/folder', 'sync_names(path.parent)', 'path.parent.exists()', 'test_disk::test_a_file'),
    ('names are not on disk', 'record/folder', 'try: os.fsync(fd)', 'try: os.fstat(fd)', 'test_disk::test_a_file'),
    ('a new run loses its name with the power', 'record/database', 'sync_names(folder)', 'folder.exists()', 'test_disk::test_a_new_record'),
    ('a change may be lost with the power', 'record/database', "db.execute('pragma synchronous=full')",
     "db.execute('pragma synchronous=off')", 'test_disk::test_a_new_record'),
    ('a damaged snapshot is taken', 'record/store', "!= sha:", "== '':", 'test_runs::test_a_damaged_snapshot'),
    ('a fork has the rows of what came after', 'record/store', 'y[:, :step - start]', 'y', 'test_runs_findings::test_a_fork_knows_nothing_of_what_came_after'),
    ('the last snapshots go', 'record/thinning', 'steps[i + 2] - steps[i]', 'steps[i + 1] - steps[i]',
     'test_timeline::test_which_snapshots_go'),
    ('the worst is called the best', 'record/taking', 'else -v', 'else v',
     'test_timeline::test_the_best_snapshot_stays'),
    ('a rate is a step late in the record', 'record/run', '(learn.step - 1, mult)', '(learn.step, mult)',
     'test_runs::test_a_schedule_is_replayed_without_it'),
    ('a branch has the rows of the one that was left', 'record/chunks', 'int(min(rows, part.to - start))', 'int(rows)',
     'test_runs::test_ghosts_stay'),

    # going back
    ('a schedule is not replayed', 'travel/again', 'learn.rates.mult = mults[s]', 'mults[s]',
     'test_runs::test_a_schedule_is_replayed_without_it'),
    ('a change is made again a step late', 'travel/again', 'todo[0].step <=', 'todo[0].step <',
     'test_runs::test_replay_of_a_replay'),
    ('half a preset is undone', 'travel/fork', 'if o.id < first)', 'if o.id < c.id)',
     'test_runs_findings::test_undo_takes_back_a_whole_preset'),
    ('a rewind that fails leaves things as they are', 'travel/fork', '        restore(here)\n', '        here\n',
     'test_runs_findings::test_an_interrupted_rewind_is_none'),
    ('other bits are not told', 'travel/compared', "if state_digest(learn) == row['hash']: return False", 'return False',
     'test_going_back::test_what_is_in_no_row_is_told'),
    ('what waits is lost', 'travel/resume', 'learn.tricks.queue(waiting)', 'list(waiting)',
     'test_waiting::test_a_resumed_run_has_it_waiting'),

    # comparing
    ('worse is called better', 'judge/verdict', '(shift < 0) == (better', '(shift > 0) == (better',
     'test_compare::test_better_is_said'),
    ('every look has the whole level', 'judge/verdict', 'level = spent(n) - spent(before)', 'level = spent(n)',
     'test_compare::test_levels_sum_up'),
    ('who fails more is said to hold', 'judge/evidence', "'fails' if b > a else 'holds'", "'fails' if b < a else 'holds'",
     'test_compare::test_a_change_that_saves'),
    ('each pair has the same batches', 'judge/sibling', "'seed': seed}", "'seed': learn.made['seed']}", 'test_compare::test_siblings_of_other_seeds'),
    ('the beginning counts', 'judge/arm', 'curve[at > steps/2]', 'curve[at > 0]', 'nb:judge/arm'),
    ('the nearest is not kept', 'judge/nearest', '< self.distance**2:', '< self.distance:',
     'test_closeup::test_nearer_than_what_was_found'),
    ('A and B exchanged', 'compare', '(other, one) if b_first else (one, other)', '(one, other) if b_first else (other, one)',
     'test_compare::test_the_arms_take_turns'),
    ('B is always first', 'compare', 'b_first = k % 2 == 0', 'b_first = True', 'test_compare::test_the_arms_take_turns'),

    # the panel
    ('a drawing costs nothing', 'panels/pace', 'now + self.took/self.budget.share', 'now', 'test_pace::test_a_budget_is_kept'),
    ('the panel draws at every step', 'panels/pace', 'return full or self.due(looked, early)', 'return True',
     'test_pace::test_what_a_part_takes_from_outside'),
    ('the panel does not count what it takes', 'panels/pace', 'with part.pace.spend():', 'if True:',
     'test_pace::test_what_a_part_takes_from_outside'),
    ('a switch waits for the doctor', 'checkup/facts', 'if waits and waits(): raise Hurried', 'pass', 'test_health::test_a_switch_does_not_wait_for_the_doctor'),
    ('a look that was left is paid for', 'panels/pace', 'self.took = 0. if left else now - began', 'self.took = now - began',
     'test_health::test_a_look_that_was_left_is_not_paid_for'),
    ('the share is no share', 'panels/pace', 'small, checkup = Budget(refresh, share/4)', 'small, checkup = Budget(refresh, 1.)',
     'test_pace::test_what_a_part_takes_from_outside'),
    ('an average of one more', 'panels/curves', 'np.maximum(end - w, 0)', 'np.maximum(end - w - 1, 0)', 'nb:panels/curves'),
    ('an old error stays', 'panels/machine', "self.error = error if self.state == 'error' else None",
     'self.error = error or self.error', 'test_machine::test_the_table_is_walked_through'),
    ('reasons are not asked again', 'panels/reasons', 'if self._found is not self.learn.found: self.forget()', 'pass',
     'test_pace::test_questions_are_asked_anew_of_other_networks'),
    ('a half step is a whole one', 'engine/orders', "try: learn.half_step(phase)", 'try: pass',
     'test_machine::test_half_steps_of_the_panel'),
    ('pictures that nobody sees', 'panels/state', 'return self._seen >= self.frame - 1', 'return True', 'nb:panels/state'),

    # the page
    ('what is absent is 0 on the page', 'page/small', 'q[np.isnan(y)] = -32768', 'q[np.isnan(y)] = 0', 'nb:page/small'),
    ('the frame after a change is lost', 'page/strands', "np.searchsorted(steps, c, 'right')", "np.searchsorted(steps, c, 'left')",
     'test_player::test_choose'),
    ('the oldest flags stay', 'page/scene', "'rates')][-most:]]", "'rates')][:most]]", 'test_player::test_the_newest_flags'),

    # tricks
    ('sides of smoothing exchanged', 'tricks/label_smoothing', 'softened(base, real=self.real, fake=self.fake)',
     'softened(base, real=self.fake, fake=self.real)', 'test_losses::test_smoothed_sides'),
    ('both sides are smoothed', 'tricks/one_sided_label_smoothing', "base), 'fake', 0.))", "base), 'fake', 0.) or 1 - self.real)",
     'test_losses::test_smoothed_sides'),
    ('R1 is twice what it should be', 'tricks/gradient_penalty', '(1 if self.asked else .5)', '1.',
     'test_penalties::test_r1_alternating'),
    ('lazy, and as much too weak', 'tricks/gradient_penalty', 'return w*self.every*', 'return w*',
     'nb:tricks/gradient_penalty'),
    ('a penalty moves what D keeps', 'tricks/gradient_penalty', 'with held(ctx.learn.D), ctx.drawing(', 'with ctx.drawing(',
     'test_penalties::test_looking_is_not_training'),
    ('spectral norm leaves with a jump', 'tricks/spectral_norm', 'raw*c if bake else raw', 'raw',
     'test_findings::test_moments_follow_the_weight_that_spectral_norm_leaves'),
    ('the average keeps what it should drop', 'tricks/ema', '1 - self.keeps(n, m)', 'self.keeps(n, m)',
     'test_averages_and_batches::test_averages_in_closed_form'),
    ('the average goes on in half steps of D', 'tricks/ema', "if learn.half != 'd':", 'if True:',
     'test_averages_and_batches::test_images_are_counted_as_d_sees_them'),
    ('the worst teach G', 'tricks/top_k', 'return l.topk(', 'return -(-l).topk(', 'nb:tricks/top_k'),
    ('means forget at once', 'tricks/lecam', 'b.lerp(a, self.decay)', 'a.lerp(b, self.decay)', 'nb:tricks/lecam'),
    ('a factor that is a rate', 'tricks/ttur', 'getattr(self, k)/base[k]', 'getattr(self, k)',
     'test_rates::test_any_order'),
    ('a truth called a lie', 'tricks/label_flip', 'torch.where(flip, other, own)', 'torch.where(flip, own, other)',
     'test_augmentation::test_flipping_all_is_exchanging_the_targets'),
    ('one update of the critic', 'tricks/wgan_gp', 'dict(n_d=self.n_critic)', 'dict(n_d=1)', 'test_penalties::test_n_critic'),
    ('noise begins to fall anew', 'tricks/instance_noise', "start=getattr(self, 'start', 0)", 'start=0',
     'test_augmentation::test_noise_goes_on_to_fall'),
    ('a step in the wrong unit', 'tricks/approximate_r1', 'self.sigma*self.std*randn(', 'self.sigma*randn(',
     'nb:tricks/approximate_r1'),
    ('decay without the rate', 'tricks/weight_decay', "1 - g['lr']*decay", '1 - decay', 'nb:tricks/weight_decay'),
    ('what was frozen stays so', 'tricks/freeze_d', 'ps[name].requires_grad_(True)', 'ps[name].requires_grad_(False)',
     'test_held_weights::test_freeze_goes_with_snapshots'),
    ('the blur never fades', 'tricks/blur', 'max(0., 1 - (step - self.since)/self.fade)', '1.', 'nb:tricks/blur'),
    ('no moment is likelier than another', 'tricks/diffusion_noise', 'torch.arange(n + 1., device=g.device)',
     'torch.ones(n + 1, device=g.device)', 'nb:tricks/diffusion_noise'),
    ('the louder of two losses leads', 'tricks/adaptive_weight', 'pull(rec)/(pull(adv) + 1e-4)', 'pull(adv)/(pull(rec) + 1e-4)',
     'test_signals::test_adaptive_weight'),
    ('what is given should stay as it is', 'tricks/identity', 'generate(ctx.z, ctx.x)', 'generate(ctx.z, ctx.y)',
     'test_signals::test_identity'),
    ('samples count as features', 'tricks/feature_matching', 'if taken(args, kwargs).requires_grad: made.add(m)', 'made.add(m)',
     'test_signals::test_all_layers_by_their_means'),
    ('maps are mixed the wrong way round', 'tricks/unet_consistency', 'm*real[i] - (1 - m)*fake[i]', 'm*fake[i] - (1 - m)*real[i]',
     'test_signals::test_unet_consistency'),
    ('a weight rises from the second step on', 'trick', '(step - self.since + 1)/(self.ramp + 1)',
     '(step - self.since)/(self.ramp + 1)', 'test_penalties::test_ramp'),
    ('draws of a trick repeat within a step', 'trick', 'self.learn.streams.generator(name, self.step, self.k,',
     'self.learn.streams.generator(name, self.step, 0,', 'test_averages_and_batches::test_micro_batches_have_streams_of_their_own_and_the_same_fakes'),

    # recipes and the command
    ('what is on is not turned off first', 'recipe', 'Plan(off + loss + on)', 'Plan(loss + on + off)', 'test_presets::test_what_nobody_sees_stays_on'),
    ('a preset takes what nobody sees off', 'recipe', 'and not tr[n].bystander]', ']', 'test_presets::test_what_nobody_sees_stays_on'),
    ('another run is called the same', 'commands/again', 'return 0 if found == recorded else 1', 'return 0',
     'test_cli::test_a_run_that_was_changed_is_found_out'),
    ('going on does it all again', 'commands/upto', 'learn.fit_steps(steps - learn.step, cbs=ended)', 'learn.fit_steps(steps, cbs=ended)',
     'test_cli::test_a_run_goes_on_as_it_was_made'),
    ('a switch that stands is made again', 'commands/train', 'all(t.settings[k] == v for k, v in values.items())', 'False',
     'test_cli::test_the_same_command_again_switches_nothing'),

    ('a command always succeeds', 'cli', 'return o.do(o) or 0', 'return (o.do(o), 0)[1]',
     'test_cli::test_a_run_that_was_changed_is_found_out'),
    ('a branch has what it should not have', 'player', 'if on: f.tricks.on(', 'if not on: f.tricks.on(',
     'test_player::test_every_combination'),
    ('one step, however many were asked', 'lab', "'pause', [phase]*n)", "'pause', [phase])",
     'test_machine::test_half_steps_of_the_panel'),

    # what a browser runs
    ('one value too few in an average', 'panels/series.js', 'q.length > w', 'q.length >= w', 'js'),
    ('ticks too close', 'panels/axes.js', 'span / s <= most', 'span / s <= most + 1', 'js'),
    ('what is absent is drawn', 'page/numbers.js', 'v === -32768 ? NaN', 'v === -32767 ? NaN', 'js'),
    ('the lower of two values beyond', 'panels/frame.js', 'y[k] > y[best] : y[k] < y[best]', 'y[k] < y[best] : y[k] > y[best]',
     'js'),
)]

def node_id(short:str)->str: # as pytest has it
    kind, _, rest = short.partition(':')
    if short == 'js': return 'tests/test_scripts.py::test_what_is_computed'
    if kind == 'nb': return f'tests/test_notebooks.py::test_notebook[{rest}.ipynb]'
    file, _, test = short.partition('::')
    return f'tests/{file}.py::{test}' if test else f'tests/{file}.py'

def is_export(cell)->bool: return cell['cell_type'] == 'code' and any(l.startswith(('#| export', '#|export')) for l in cell['source'])

def texts(path:Path)->list: # of a notebook's export cells, or of the file
    "The texts in which the old one has to stand, once in all."
    if path.suffix != '.ipynb': return [path.read_text(encoding='utf-8')]
    return [''.join(c['source']) for c in json.loads(path.read_text(encoding='utf-8'))['cells'] if is_export(c)]

def applies(m:Mutant, root:Path=ROOT)->str: # '' where it does; else what is wrong
    "Is the old text exactly once in module and notebook?"
    for path in m.files(root):
        if not path.exists(): return f'{path.relative_to(root)} is not there'
        n = sum(t.count(m.old) for t in texts(path))
        if n != 1: return f'{m.old!r} is {n} times in {path.relative_to(root)}'
    return ''

def mutated(m:Mutant, path:Path)->str: # the file with the fault in it
    text = path.read_text(encoding='utf-8')
    if path.suffix != '.ipynb': return text.replace(m.old, m.new)
    nb = json.loads(text)
    for c in filter(is_export, nb['cells']): c['source'] = ''.join(c['source']).replace(m.old, m.new).splitlines(keepends=True)
    return json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + '\n'

def written(path:Path, text:str):
    path.write_text(text, encoding='utf-8', newline='\n')
    for old in (path.parent/'__pycache__').glob(f'{path.stem}.*'): old.unlink()      # of the same size, and written in the same second

# The tests

def _in_copy(root, log):
    "In a process forked from one that has imported torch: have the copy in place of the project, and what is said in a file"
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for fd in (1, 2): os.dup2(out, fd)
    os.chdir(root)
    sys.path[:] = [str(root), *(p for p in sys.path if p not in ('', str(ROOT)))]
    os.environ |= dict(PYTHONPATH=str(root), OMP_NUM_THREADS='1', MPLBACKEND='agg')

def _pytest(root, log, tests):
    _in_copy(root, log)
    import pytest
    sys.exit(int(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', '--rootdir', str(root), *tests])))

def _notebook(root, log, nb):
    "As tests/test_notebooks.py runs it, in a place of its own: what it writes is thrown away"
    _in_copy(root, log)
    sys.path.append(str(root/'tests'))
    from test_notebooks import run
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(root/'nbs', Path(work)/'nbs')
        for name in ('ganlab', 'benchmarks', 'pyproject.toml'): (Path(work)/name).symlink_to(root/name)
        run(Path(work)/'nbs'/nb, log)

def _done(seconds, job, *args)->int|None: # its exit status; None: it hung
    p = multiprocessing.get_context('forkserver').Process(target=job, args=args)
    p.start()
    p.join(seconds)
    if hung := p.is_alive(): p.kill()
    p.join()
    return None if hung else p.exitcode

def ran(root:Path, shorts, seconds:float)->tuple: # pytest's status (None: it hung), what was said, the notebook that failed
    "Run tests on a copy, until one fails: the notebooks come last."
    log, nbs = root/'said.log', [f"{t.removeprefix('nb:')}.ipynb" for t in shorts if t.startswith('nb:')]
    log.write_text('')
    status, others = 0, [node_id(t) for t in shorts if not t.startswith('nb:')]
    if others: status = _done(seconds, _pytest, root, log, others)
    for nb in nbs:
        if status: break
        status = _done(seconds, _notebook, root, log, nb)
        if status: return status, log.read_text(errors='replace'), nb
    return status, log.read_text(errors='replace'), ''

class Result(NamedTuple):
    mutant: Mutant
    outcome: str    # 'killed', 'survived' or 'not applicable'
    seconds: float
    by: str         # the test that failed, or what is wrong

def _first(said)->str:
    found = [l.split()[1] for l in said.splitlines() if l.startswith(('FAILED ', 'ERROR '))]
    return found[0] if found else ''

def tried(m:Mutant, root:Path, seconds:float)->Result:
    "Build the fault in, run its tests, and take it out again."
    if why := applies(m, root): return Result(m, 'not applicable', 0., why)
    before, began = {p: p.read_text(encoding='utf-8') for p in m.files(root)}, time.monotonic()
    try:
        for p in before: written(p, mutated(m, p))
        status, said, nb = ran(root, m.tests.split(), seconds)
    finally:
        for p, text in before.items(): written(p, text)
    took = time.monotonic() - began
    if status is None: return Result(m, 'killed', took, f'no end within {seconds:.0f} s')
    if status == 1: return Result(m, 'killed', took, nb or _first(said))
    if status == 0: return Result(m, 'survived', took, '')
    return Result(m, 'not applicable', took, ' '.join(said.split())[-300:])

def copied(to:Path)->Path:
    shutil.copytree(ROOT, to, ignore=NOT_COPIED, symlinks=True)
    return to

def all_tried(mutants, jobs:int, seconds:float):  # -> yields `Result`s, as they come
    "Each worker has a copy of the project of its own."
    multiprocessing.get_context('forkserver').set_forkserver_preload(
        ['torch', 'torch._dynamo', 'fastai.basics', 'matplotlib.pyplot', 'sklearn.datasets', 'scipy.stats', 'pytest', 'nbdev.test'])
    with tempfile.TemporaryDirectory(prefix='mutants-') as tmp, ThreadPoolExecutor(jobs) as pool:
        free = [copied(Path(tmp)/str(i)) for i in range(jobs)]
        def one(m):
            root = free.pop()
            try: return tried(m, root, seconds)
            finally: free.append(root)
        yield from pool.map(one, mutants)

def healthy(mutants, seconds:float)->str: # '' where they pass
    "Do the tests pass as things stand?"
    with tempfile.TemporaryDirectory(prefix='mutants-') as tmp:
        status, said, _ = ran(copied(Path(tmp)/'whole'), sorted({t for m in mutants for t in m.tests.split()}), seconds)
    return '' if status == 0 else said[-3000:] or 'they hung'

def main():
    p = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    p.add_argument('--only', default='', help='those with this word in name, module or old text')
    p.add_argument('--list', action='store_true', help='name them, and whether they apply; nothing is run')
    p.add_argument('--jobs', type=int, default=1, help='so many at a time (1)')
    p.add_argument('--seconds', type=float, default=300, help='for the tests of one; longer is killed (300)')
    p.add_argument('--trust', action='store_true', help='do not run the tests on the project as it is first')
    o = p.parse_args()
    mutants = [m for m in MUTANTS if any(o.only in t for t in (m.name, m.where, m.old))]
    if o.list:
        for m in mutants: print(f"{m.where:34} {m.name:44} {applies(m) or 'applies'}")
        return 0
    if not o.trust and (said := healthy(mutants, 20*o.seconds)): sys.exit(f'{said}\n\nThe tests do not pass as things stand.')
    counts = dict.fromkeys(('killed', 'survived', 'not applicable'), 0)
    began = time.monotonic()
    for r in all_tried(mutants, o.jobs, o.seconds):
        counts[r.outcome] += 1
        print(f'{r.outcome:15}{r.seconds:6.1f} s  {r.mutant.where:30} {r.mutant.name:44} {r.by}', flush=True)
    print(f"{', '.join(f'{n} {k}' for k, n in counts.items())}; {len(mutants)} in {time.monotonic() - began:.0f} s")
    return int(counts['killed'] < len(mutants))

if __name__ == '__main__': sys.exit(main())
