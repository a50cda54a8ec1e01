"""Writes the pages that tell what benchmarks/published.py and benchmarks/folklore.py found: `python benchmarks/tell.py`.

Every figure of nbs/tutorials/published.ipynb and nbs/tutorials/folklore.ipynb comes from the rows in published.json and folklore.json, and stands
nowhere else; these two pages are never edited by hand. Of each page in nbs/help, the cells `measured` and `causes` are written here, from folklore.json,
clinic.json and the doctor's rules; the rest of it is a person's. tests/test_trials.py holds all of them to the rows."""
import hashlib, json, math, re
from collections import Counter
from pathlib import Path
import folklore, published
from ganlab.symptoms.pages import of_page
from ganlab.symptoms.rule import find_rules
from rows import Rows, plus_minus

HERE = Path(__file__).resolve().parent
PAGES = HERE.parent/'nbs'/'tutorials'
HELP = HERE.parent/'nbs'/'help'
NOT_YET = 'not yet run'

def whole(cell):
    "A cell's text, in which no number breaks at the end of a line: '2e-3', '7.9 ± 0.1'"
    return re.sub(r'(?<=\de)-(?=\d)', '\N{NON-BREAKING HYPHEN}', re.sub(r'(?<=\d) ± (?=\d)', '\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}', str(cell)))

def table(head, rows):
    "A table in markdown"
    lines = [head, ['---']*len(head), *rows]
    return '\n'.join('| ' + ' | '.join(map(whole, l)) + ' |' for l in lines)

def notebook(cells):
    "A notebook of markdown alone: [(name, text)]"
    made = [dict(cell_type='markdown', id=hashlib.sha256(name.encode()).hexdigest()[:8], metadata={}, source=text.splitlines(True)) for name, text in cells]
    kernel = dict(kernelspec=dict(display_name='python3', language='python', name='python3'))
    return json.dumps(dict(cells=made, metadata=kernel, nbformat=4, nbformat_minor=5), indent=1, ensure_ascii=False, sort_keys=True) + '\n'

def number(x):
    "Two or three figures of it"
    if x is None or not math.isfinite(x): return '–'
    if x and abs(x) < 1e-3: return f'{x:.0e}'
    return f'{x:.3g}'


# ---------------------------------------------------------------- published results

def complex_in_words(v):
    "'-0.15 ± 0.48i' of [-.15, .48]"
    if v is None: return 'none: the field jumps'
    re, im = (round(o, 3) + 0. for o in v)
    return f'{re:.3f} ± {abs(im):.3f}i'

def dirac_table(rows):
    lines = []
    for name, m in published.METHODS.items():
        r = next((r for r in rows if r['part'] == 'dirac' and r['method'] == name), None)
        known = complex_in_words(m.known and [m.known.real, m.known.imag])
        if r is None: lines.append([m.title, m.published, known, NOT_YET, '', '', m.source])
        else:
            measured = '–' if m.known is None else complex_in_words(r['measured'])
            ends = [f"{r[u]['said']} ({number(r[u]['end'])})" for u in ('alternating', 'simultaneous')]
            lines.append([m.title, m.published, known, measured, *ends, m.source])
    return table(['method', 'converges, as published', 'eigenvalues, known', 'measured', 'run, taking turns', 'run, both at once', 'where'], lines)

def found_in_words(rows):
    "[modes, % within 3 sigma, reverse KL, spread] over the seeds"
    return [plus_minus([r['modes'] for r in rows], 1), plus_minus([100*r['hq'] for r in rows], 1), plus_minus([r['reverse_kl'] for r in rows], 3),
            plus_minus([r['spread'] for r in rows])]

RING = 'modes', '% within 3σ', 'reverse KL', 'spread, in σ'

def recipe_table(rows):
    lines = []
    for problem, least in (('ring', 8), ('grid', 24)):
        mine = [r for r in rows if r['part'] == 'recipe' and r['problem'] == problem and r['steps'] == published.RECIPE[problem]]
        if not mine: lines.append([problem, published.RECIPE[problem], NOT_YET, '', '', '', '', ''])
        else:
            enough = f"{sum(r['modes'] >= least for r in mine)} of {len(mine)}"
            lines.append([problem, published.RECIPE[problem], f'{len(mine)}: ' + ', '.join(str(r['modes']) for r in mine), enough, *found_in_words(mine)])
    return table(['problem', 'steps', 'seeds, and the modes of each', 'with 8, with 24 or more', *RING], lines)

def protocol_table(name, rows):
    p, lines = published.PROTOCOLS[name], []
    for problem in p.problems:
        for method in dict.fromkeys([*p.methods, *(m for _, m in p.published)]):
            title = p.methods[method][0] if method in p.methods else method.upper()
            paper = p.published.get((problem, method))
            if paper: lines.append([problem, title, 'paper', '', f'{p.full:,}', paper['modes'], paper['hq'], paper['reverse_kl'], '–'])
            mine = [r for r in rows if (r['part'], r['problem'], r['method']) == (name, problem, method)]
            if not mine and method in p.methods: lines.append([problem, title, 'ganlab', NOT_YET, '', '', '', '', ''])
            for steps in sorted({r['steps'] for r in mine}):
                at = [r for r in mine if r['steps'] == steps]
                lines.append([problem, title, 'ganlab', len(at), f'{steps:,}', *found_in_words(at)])
    return table(['problem', 'method', 'of', 'seeds', 'steps', *RING], lines)

def _elsewhere(p):
    "Which rows of the paper stand alone"
    others = [m.upper() for m in dict.fromkeys(m for _, m in p.published) if m not in p.methods]
    return f" {' and '.join(others)} {'is no method' if len(others) == 1 else 'are no methods'} of ganlab." if others else ''

def protocol_text(name, rows):
    p = published.PROTOCOLS[name]
    text = f"## {p.title}\n\n{p.source}. Batches of {p.bs}, {p.full:,} steps. What differs here: {p.differs}. "
    return (text + f"Unless its row says so, a run here has a small part of the paper's steps, and is no attempt at the paper's figures.{_elsewhere(p)}\n\n"
            f"{protocol_table(name, rows)}\n\n`python benchmarks/published.py --part {name}`, and with `--full` all of the steps.")

def commands(rows):
    "How many seeds are behind a page, and what they cost"
    if not rows: return 'Nothing has been run yet.'
    return f"{len(rows)} rows, {sum(r['cpu'] for r in rows)/60:.0f} minutes of CPU time, one thread."

def published_page(rows):
    cells = [
        ('title', '# What papers report on points, and what comes out here\n\n> The Dirac-GAN, the ring and the grid: methods of ganlab beside the published '
                  'rows, with intervals and with what differs.'),
        ('how', f'Every figure of this page comes from the rows of `benchmarks/published.json`, which `python benchmarks/published.py` makes; each row says with '
                f'which command and which seed. {commands(rows)}\n\n'
                'Rows of different papers are never mixed: the plain GAN finds one mode of the ring in one paper and 6.3 in another, since their networks '
                'differ. Intervals of ours are 95 % by Student\'s t over the seeds; those of PacGAN are one standard error over ten runs. A mode is found if one '
                'of 2,500 samples lies within 3σ of it; `% within 3σ` is the share of such samples, at best 98.9 of 100 for samples as spread as the data; the '
                'reverse KL is that of their shares of the modes to equal ones. A spread of 1 is that of the data: less means that modes have shrunk, which '
                'raises the share.'),
        ('dirac', '## The Dirac-GAN\n\nThe data are one point, G makes one point, D is a line through 0 (see [the tutorial](dirac.ipynb)). The eigenvalues of the '
                  'flow at the equilibrium are known; those measured are of one step through the learner. A run starts at the distance 1.41 with a step size of '
                  '0.2; behind each word stands the distance after '
                  f"{next((r['steps'] for r in rows if r['part'] == 'dirac'), 1000):,} steps. "
                  f'*Arrives* is below 0.014, *runs away* above 2.83.\n\n{dirac_table(rows)}\n\n`python benchmarks/published.py --part dirac`'),
        ('recipe', "## Ring and grid by a recipe of ganlab's own\n\nRpGAN with R1 and R2 (γ 0.1), Adam at 1e-3 with β (0, 0.99), batches of 256, three hidden layers of "
                   '128, 16 latents, an average of G (β 0.999), whose samples these are. The same for both problems, but for two things: the grid is drawn at a '
                   'quarter of its size, so that it fits into [-1, 1], and takes more steps. It was found with one seed that is not among these.\n\n'
                   f'{recipe_table(rows)}\n\n`python benchmarks/published.py --part recipe`')]
    return notebook([*cells, *((n, protocol_text(n, rows)) for n in published.PROTOCOLS)])


# ---------------------------------------------------------------- beliefs

FAMILIES = {        # section -> its title, and who says so
    'rates': ('G needs a higher rate than D', "2e-4 for D and 4e-4 for G stands in many blog posts. Heusel et al. 2017 give D the higher one, and so does SAGAN (4e-4, and 1e-4 for G). "
              'A ratio of two is tried both ways, at five times these rates, since runs are short.'),
    'batch': ('A batch of 64 is best', 'It is the batch size of many codes. Both runs see equally many samples, so the one with smaller batches makes more steps.'),
    'odd_batch': ('Odd and prime batch sizes upset BatchNorm', 'A belief about hardware that became one about training. 61 is prime, 7 too.'),
    'steady': ('Larger batches steady the signal', "G's gradient norm should vary less from step to step (Brock et al. 2018 train with 2,048)."),
    'sgd': ('SGD oscillates', "Plain gradient descent circles on the Dirac-GAN. Here the movement of the fakes' centre from check to check decides, and more of it is what "
            'the belief says.'),
    'rmsprop': ('RMSProp beats Adam under WGAN-GP', 'Arjovsky et al. 2017 left Adam for RMSProp with clipped weights, because momentum upset the critic; Gulrajani et al. '
                '2017 went back to Adam with the penalty.'),
    'lambda': ('λ = 10', 'The value of Gulrajani et al. 2017 for images; the toys of their own code have 0.1.'),
    'critic': ('Five updates of D for one of G', 'Arjovsky et al. 2017 and Gulrajani et al. 2017. Once with as many steps of G, once with the same work.'),
    'init': ('Weights from N(0, 0.02), not by He or Xavier', 'Radford et al. 2015, for DCGAN.'),
    'dropout': ('Dropout in D helps', 'It stands in textbooks as a way to bring noise into the game. p is 0.3.'),
    'bn_d': ('BatchNorm belongs in D, too', 'Radford et al. 2015. Digits are here because the claim is about such networks on images.'),
    'smoothing': ('Label smoothing keeps G from collapsing', 'Salimans et al. 2016 propose the one-sided form against another fault, a D that is too sure. The ring is trained '
                  'with a momentum of 0.86, with which it loses modes; the modes decide, as a mean over the second half, and a run with fewer than five of the eight counts as collapsed.'),
    'both_bounds': ('Spectral norm and a penalty together', 'A recipe of blog posts (the preset `asymmetric`): two bounds of the slope hold better than one.'),
    'wider': ('Wider hidden layers cure poor samples', 'The advice that costs most. Nothing else is changed.'),
    'four_points': ('Four points avoid 90 % of collapses', 'We found the figure without a source. As the four points we take rates apart (D 1, G 2), WGAN-GP with λ 10, '
                    'spectral norm in D, and batches of 64; A and B both have the latter.'),
    'historical': ('Historical averaging steadies the game', 'Salimans et al. 2016, section 3.3. It gives no weight; λ is 0.01.'),
    'symptoms': ('A symptom, and what is advised against it', 'Benches that are sick in one way, and one remedy each; the pages of [Symptoms](../help/index.ipynb) tell '
                 'of them. They are half as long as the others, unless a row says otherwise, and networks for images half as wide.'),
    'growing': ('Networks should grow with the images', 'Karras et al. 2018, for images of 1,024 pixels. Here from 16 to 32 pixels.'),
    'sixteen': ('Each of the sixteen tricks, against the plain run', "Every trick with its defaults, turned on at the first step: does it help this run? That a trick does not "
                'help a small run that is healthy says nothing about runs that it was made for.')}

WORSE = dict(init='weights by He or Xavier', symptoms='been stopped and goes on')      # where the claim is 'worse'

def rows_of(belief, rows):
    "The rows of a belief, with the steps that it asks for"
    return [r for r in rows if r['belief'] == belief.name and r['steps'] == belief.steps()[0]]

def gain_in_words(belief, rows):
    "What B gains over A, with its interval"
    m = folklore.measure(belief.by)
    look = folklore.evidence(belief, rows).finding
    if m.log: # a ratio, B to A
        low, high = (math.exp(o) for o in (look.low, look.high))
        return f'× {math.exp(look.mean):.2f} ({low:.2f} to {high:.2f})' if math.isfinite(low) else f'× {math.exp(look.mean):.2f}'
    if math.isfinite(look.low): return f'{look.mean:+.3g} ({look.low:+.3g} to {look.high:+.3g})'
    return f'{look.mean:+.3g}' if math.isfinite(look.mean) else '–'

def means(belief, rows):
    "[A, B]: the mean over seeds of what decides, in its own units, and how many runs failed, or kept fewer than five modes"
    back = math.exp if folklore.measure(belief.by).log else float
    out = []
    for k in 'ab':
        v = [r[k] for r in rows if r[k] is not None]
        said = number(back(sum(v)/len(v))) if v else '–'
        if len(v) < len(rows): said += f', {len(rows) - len(v)} failed'
        if belief.by == 'modes': said += f', {sum(o < 5 for o in v)} below 5'
        out.append(said)
    return out

def belief_line(belief, rows):
    mine = rows_of(belief, rows)
    said = f'{belief.on}: {belief.a}', belief.b
    if not mine: return [*said, NOT_YET, folklore.measure(belief.by).title, '', '', '', '', '']
    p = folklore.evidence(belief, mine).finding.p
    n_a, n_b = belief.steps()
    steps = n_a if n_a == n_b else f'{n_a} and {n_b}'
    word = folklore.verdict(belief, mine)
    if len(mine) < folklore.ENOUGH: word += ' (too few seeds)'
    return [*said, f'**{word}**', folklore.measure(belief.by).title, f'{len(mine)}, {steps} steps', *means(belief, mine), gain_in_words(belief, mine), number(p)]

def verdicts(beliefs, rows):
    "Of a section, in words: 'supported 2, undecided 1'"
    words = Counter(folklore.verdict(b, rows_of(b, rows)) if rows_of(b, rows) else NOT_YET for b in beliefs)
    return ', '.join(f'{w} {n}' for w, n in sorted(words.items()))

def family_text(name, rows):
    title, who = FAMILIES[name]
    mine = [b for b in folklore.beliefs().values() if b.family == name]
    lines = [belief_line(b, rows) for b in mine]
    head = ['A', 'B', 'the belief is', 'what decides', 'seeds', 'of A', 'of B', 'B beside A', 'p']
    again = ' '.join(b.name for b in mine) if name not in ('sixteen', 'symptoms') else '...'
    claim = {b.claim for b in mine}
    says = 'The belief says that B is the worse one.' if claim == {'worse'} else 'The belief says that B is the better one.'
    if len(claim) > 1: says = f'The belief says that B is the worse one where it has {WORSE[name]}, and the better one elsewhere.'
    return f'## {title}\n\n{who} {says}\n\n{table(head, lines)}\n\n`python benchmarks/folklore.py --only {again}`'

def overview(rows):
    beliefs, lines = folklore.beliefs().values(), []
    for name, (title, _) in FAMILIES.items(): lines.append([title, verdicts([b for b in beliefs if b.family == name], rows)])
    return table(['belief', 'verdicts'], lines)

def folklore_page(rows):
    cells = [
        ('title', '# Beliefs about GANs, on trial\n\n> Which advice holds on small problems, over five seeds, with an interval: supported, refuted, or undecided.'),
        ('how', 'GAN training has more advice than evidence. Each belief here is a comparison (`ab`) of a run as it speaks against, A, with one as it recommends, B. '
                'Both see the same batches and latents, and begin from the same weights where they have the same networks; each seed has its own weights, data and latents. '
                f'Every figure of this page comes from the rows of `benchmarks/folklore.json`, which `python benchmarks/folklore.py` makes; each row says with which '
                f'command and which seed. {commands(rows)}\n\n'
                'Three benches: a *ring* of eight modes (two hidden layers of 32, batches of 64, Adam at 1e-3 with β₁ 0.5), *avatars*, faces of 16 pixels (DCGAN of width '
                '16, the same rates), and *digits*. Unless a row says otherwise, the sliced Wasserstein distance to held-out data decides, less is better, and A and B '
                'are compared by their ratio. It is read ten times in the second half of a run.\n\n'
                '**Supported**: B is found to be what the belief says. **Refuted**: it is found to be the opposite, or whatever it gains is less than a tenth, by the whole '
                'interval. **Undecided**: all else. The test is that of `ab` (see [Verdict](../judge/verdict.ipynb)) at a level of 1.5 % for five seeds, and the intervals '
                'are at its confidence, 98.5 %. Nothing is corrected for the number of beliefs: of a hundred that say nothing, one or two would be found all the same. '
                'And these are small, short runs: a verdict is about them, and a reason to try it on yours.'),
        ('overview', f'## At a glance\n\n{overview(rows)}')]
    return notebook([*cells, *((n, family_text(n, rows)) for n in FAMILIES)])


# ---------------------------------------------------------------- symptoms

SYMPTOMS = dict(    # page in nbs/help -> the beliefs that it tells of
    d_loss_zero='strong_d_r1_digits strong_d_noise_digits strong_d_rates_digits',
    g_loss_rises='slow_g_twice_ring slow_g_rates_ring',
    mode_collapse='collapse_r1_ring collapse_packing_ring smoothing_ring smoothing_two_ring four_points_ring',
    missing_modes='missing_packing_ring minibatch_stddev_ring gradient_penalty_ring unrolled_ring feature_matching_ring',
    vanishing_gradient='saturating_ring init_he_avatars init_ring',
    oscillation='circling_momentum_ring sgd_ring historical_moves_ring',
    nan='exploding_clip_ring exploding_gp_ring bursting_clip_ring',
    checkerboard='checkerboard_kernel_digits checkerboard_resize_digits',
    colours='range_avatars tint_ema_avatars',
    fell_apart='fall_decay_ring fall_r1_ring',
    only_noise='init_ring init_xavier_avatars wider_ring wider_avatars',
    blurred='noise_fades_avatars instance_noise_avatars wider_avatars',
    d_too_weak='weak_d_rate_ring weak_d_steps_ring',
    penalty_weight='gamma_ring lambda_ring lambda_avatars gradient_penalty_ring gradient_penalty_avatars',
    learning_rates='rates_ring rates_equal_ring rates_avatars',
    when_to_stop='longer_ring fall_decay_ring',
    batch_size='batch_16_ring batch_128_ring batch_256_ring batch_16_avatars batch_128_avatars batch_256_avatars steady_ring odd_batch_avatars',
    small_data='few_diffaugment_avatars dropout_avatars',
    train_and_eval='norm_memory_digits virtual_batch_norm_avatars bn_d_digits',
    resume='resume_ring resume_weights_ring scaled_rate_ring')

SAYS = dict(supported='The advice holds here', refuted='The advice does not hold here', undecided='Undecided')

def seeds_in_words(rows):
    seeds = sorted(r['seed'] for r in rows)
    whole = seeds == list(range(seeds[0], seeds[-1] + 1))
    return f'{seeds[0]} to {seeds[-1]}' if whole and len(seeds) > 1 else ', '.join(map(str, seeds))

def effect_in_words(belief, rows):
    "What decides, with and without"
    a, b = (re.sub(r', (\d+) below 5', rf' (\1 of {len(rows)} runs under five)', o) for o in means(belief, rows))
    m = folklore.measure(belief.by)
    same = all(r['a_hash'] == r['b_hash'] for r in rows)
    if same: return f'{m.title}: {a}; both runs are equal, bit for bit'
    return f'{m.title}: {a} → {b} ({m.better} is better); {gain_in_words(belief, rows)}'

def trial_line(belief, rows):
    mine = rows_of(belief, rows)
    n_a, n_b = belief.steps()
    steps = f'{n_a} steps' if n_a == n_b else f'{n_a} and {n_b} steps'
    word = SAYS[folklore.verdict(belief, mine)] if mine else NOT_YET
    said = f'{belief.b}: said to be {belief.claim}'
    if not mine: return [f'{belief.on}: {belief.a}', said, NOT_YET, '']
    return [f'{belief.on}: {belief.a}', said, f'**{word}** (seeds {seeds_in_words(mine)}, {steps})', effect_in_words(belief, mine)]

def measured_text(page, rows):
    names = SYMPTOMS[page].split()
    lines = [trial_line(folklore.beliefs()[n], rows) for n in names]
    return ('## What was measured here\n\nOf each line, two runs that differ in one thing, on small problems, over five seeds; the interval in brackets is at 98.5 %. '
            '*Undecided* means that five seeds do not tell, and not that the two are equal. '
            'How it is judged stands with [all the beliefs](../tutorials/folklore.ipynb).\n\n'
            f"{table(['the run', 'what is advised', 'verdict', 'what came out'], lines)}\n\n"
            f"`python benchmarks/folklore.py --only {' '.join(names)}`")

def clinic_in_words(cause, patients):
    "How often the doctor was right about it, and how often its first remedy healed"
    mine = [r for r in patients if r['cause'] == cause]
    named, tried = sum(r['said'] == cause for r in mine), [r for r in mine if r['healed'] is not None]
    said = f'In the [clinic](../clinic.ipynb) it named {named} of {len(mine)} trainings that are broken in this way'
    return said + (f", and its first remedy healed {sum(r['healed'] for r in tried)} of {len(tried)}." if tried else '; its remedy is not tried there.')

def linked(source): return re.sub(r'\b\d{4}\.\d{5}\b', r'[\g<0>](https://arxiv.org/abs/\g<0>)', source)

def cause_text(cause, patients):
    mine = [r for r in find_rules() if r.cause == cause]
    head = ' · '.join(dict.fromkeys(r.symptom for r in mine))
    when = '\n'.join(f'- {r.__doc__} Reason: {linked(r.source)}.' for r in mine)
    return f'### {head} {{#{cause}}}\n\n`{cause}`, found from:\n\n{when}\n\n{clinic_in_words(cause, patients)}'

def causes_text(page, patients):
    told = of_page[page].split()
    if not told: return '## What the doctor says\n\nNo cause of [the doctor](../doctor.ipynb) has this name: it is a thing to be seen, and the causes of other pages can be behind it.'
    return ('## What the doctor says\n\n`learn.diagnose()` names the cause; `found.page` leads from a finding to this heading.\n\n'
            + '\n\n'.join(cause_text(c, patients) for c in told))

def with_cells(path, **texts):
    "A notebook, some of its cells written: id=text"
    nb = json.loads(path.read_text(encoding='utf-8'))
    for c in nb['cells']:
        if c['id'] in texts: c['source'] = texts.pop(c['id']).splitlines(True)
    assert not texts, f'{path.name}: no cell {", ".join(texts)}'
    return json.dumps(nb, indent=1, ensure_ascii=False, sort_keys=True) + '\n'

def title_of(page): return json.loads((HELP/f'{page}.ipynb').read_text(encoding='utf-8'))['cells'][0]['source'][0].removeprefix('# ').strip()

def advice_in_words(name, names):
    "A belief among others of its page: what is advised, and where; what it is compared with if another one advises the same"
    beliefs = folklore.beliefs()
    b = beliefs[name]
    twice = sum((beliefs[n].b, beliefs[n].on) == (b.b, b.on) for n in names) > 1
    return b.b + (f', beside {b.a}' if twice else '') + f' ({b.on}' + (', said to be worse' if b.claim == 'worse' else '') + ')'

def glance(rows):
    "Of each page, the remedies by their verdicts"
    lines = []
    for page, names in SYMPTOMS.items():
        found = {n: folklore.verdict(folklore.beliefs()[n], rows_of(folklore.beliefs()[n], rows)) for n in names.split() if rows_of(folklore.beliefs()[n], rows)}
        by = ['; '.join(advice_in_words(n, found) for n, v in found.items() if v == word) or '–' for word in ('supported', 'refuted', 'undecided')]
        lines.append([f'[{title_of(page)}]({page}.ipynb)', *by])
    return ('## What held, at a glance\n\nEvery page has its comparisons, each over five seeds, on small problems. Behind each remedy stands the problem.\n\n'
            + table(['page', 'the advice holds', 'it does not', 'undecided'], lines))

def every_cause():
    "Where each cause is told of"
    lines = [[f'`{cause}`', ' · '.join(dict.fromkeys(r.symptom for r in find_rules() if r.cause == cause)), f'[{title_of(page)}]({page}.ipynb#{cause})']
             for page, told in of_page.items() for cause in told.split()]
    return ("## By the doctor's name\n\n`learn.diagnose()` gives findings, and `finding.cause` is one of these.\n\n"
            + table(['cause', 'in words', 'page'], sorted(lines)))

def help_pages(rows):
    patients = json.loads((HERE/'clinic.json').read_text(encoding='utf-8'))
    for page in SYMPTOMS:
        path = HELP/f'{page}.ipynb'
        yield path, with_cells(path, measured=measured_text(page, rows), causes=causes_text(page, patients))
    yield HELP/'index.ipynb', with_cells(HELP/'index.ipynb', glance=glance(rows), causes=every_cause())

def pages():
    "{path: what it has to hold}"
    rows = list(Rows(HERE/'folklore.json', folklore.KEYS))
    return {PAGES/'published.ipynb': published_page(list(Rows(HERE/'published.json', published.KEYS))),
            PAGES/'folklore.ipynb': folklore_page(rows), **dict(help_pages(rows))}

if __name__ == '__main__':
    for path, text in pages().items(): path.write_text(text, encoding='utf-8')
