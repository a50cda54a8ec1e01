"""Pages as a reader sees them: what nbdev prepares for Quarto, made into HTML by pandoc, which is what Quarto itself uses.

Quarto's program cannot be had from a package registry; its theme, sidebar and search are not here. What stands on a page is."""
import base64, html, json, os, re, shutil, subprocess
from pathlib import Path

EXT = {'image/png': 'png', 'image/jpeg': 'jpg'}
TEMPLATE = '''<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$pagetitle$</title>
<style>
:root { color-scheme: light dark; }
body { margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.55 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { margin-bottom: .2rem; } .subtitle { margin-top: 0; opacity: .75; }
pre, code { font-family: ui-monospace, monospace; font-size: .875em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: .5rem .8rem; background: rgb(127 127 127 / .1); border-radius: .25rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid rgb(127 127 127 / .3); }
iframe, img { max-width: 100%; } a { color: LinkText; }
</style>
<link rel="stylesheet" href="$root$styles.css"></head>
<body><header><h1 class="title">$title$</h1>$if(subtitle)$<p class="subtitle">$subtitle$</p>$endif$<p class="description">$description$</p></header>
<main>
$body$
</main></body></html>
'''

def page_of(link):
    "The page of a notebook"
    path, _, heading = link.partition('#')
    folder, _, name = path.rpartition('/')
    page = (folder + '/' if folder else '') + name.removesuffix('.ipynb') + '.html' if path.endswith('.ipynb') else path
    return page + ('#' + heading if heading else '')

def options(src):
    "({name: value} of the lines `#| name: value`, the code)"
    lines = src.splitlines()
    opts = dict(re.match(r'#\|\s*([\w-]+):?\s*(.*)', l).groups() for l in lines if l.startswith('#|'))
    return opts, '\n'.join(l for l in lines if not l.startswith('#|')).strip('\n')

def picture(data, kind, alt, folder, n):
    "An image of an output, written beside the page"
    folder.mkdir(parents=True, exist_ok=True)
    name = f'{folder.name}/{n}.{EXT[kind]}'
    (folder.parent/name).write_bytes(base64.b64decode(''.join(data[kind])))
    return f'![{alt}]({name})\n'

def output(o, opts, folder, n):
    "One output of a cell as pandoc's markdown"
    data = o.get('data', {})
    if kind := next((k for k in EXT if k in data), None): return picture(data, kind, opts.get('fig-alt', '').strip('"'), folder, n)
    if 'text/html' in data: return '```{=html}\n' + ''.join(data['text/html']) + '\n```'
    if 'text/markdown' in data: return ''.join(data['text/markdown'])
    text = ''.join(o.get('text') or data.get('text/plain', '')).rstrip()
    return f'~~~~ {{.output}}\n{text}\n~~~~' if text else ''

def code(cell, folder):
    "A cell of code and what it gave"
    opts, src = options(''.join(cell['source']))
    shown = f'~~~~ {{.python}}\n{src}\n~~~~' if src and opts.get('echo') != 'false' else ''
    if shown and 'code-fold' in opts: shown = f"<details{' open' if opts['code-fold'] == 'show' else ''}><summary>Source</summary>\n\n{shown}\n\n</details>"
    outs = [output(o, opts, folder, f"{cell['id']}-{i}") for i, o in enumerate(cell.get('outputs', []))]
    return '\n\n'.join(o for o in [shown, *outs] if o)

def as_markdown(nb, folder):
    "A prepared notebook as one text for pandoc; its pictures go to `folder`"
    parts = [code(c, folder) if c['cell_type'] == 'code' else ''.join(c['source']) for c in nb['cells']]
    return re.sub(r'(\]\()([^)\s]+)', lambda m: m[1] + (m[2] if ':' in m[2] else page_of(m[2])), '\n\n'.join(parts))

def render(path, site, to):
    "Makes the HTML of one prepared notebook, whose path is relative to the folder `site`, below the folder `to`"
    import pypandoc
    page = to/page_of(path.as_posix())
    page.parent.mkdir(parents=True, exist_ok=True)
    md = as_markdown(json.loads((site/path).read_text(encoding='utf-8')), page.with_suffix(''))
    (to/'template.html').write_text(TEMPLATE, encoding='utf-8')
    done = subprocess.run([pypandoc.get_pandoc_path(), '-f', 'markdown', '-t', 'html5', '--mathml', '--wrap=none', '--template', to/'template.html',
                           '-V', 'root=' + '../'*(len(path.parts) - 1), '-o', page], input=md, text=True, encoding='utf-8', capture_output=True)
    assert done.returncode == 0 and not done.stderr, f'{path}: {done.stderr}'
    return page

def text_of(page):
    "The words of a page, tags left out"
    text = re.sub(r'<(style|script|annotation)\b.*?</\1>', '', page.read_text(encoding='utf-8'), flags=re.S)
    return html.unescape(re.sub(r'<[^>]*>', ' ', text))
