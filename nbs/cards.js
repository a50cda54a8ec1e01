// The filter of the catalogue's cards. Without it all cards are shown, and the filter is not.
(() => {
  const root = document.querySelector('.tricks');
  const form = root.querySelector('.tricks-filter');
  const cards = [...root.querySelectorAll('article')];
  const words = (card, name) => card.dataset[name].split(' ').filter(Boolean);

  // What a step takes, plain = 1: [from, below]
  const costs = { none: [0, 1.1], half: [1.1, 1.6], double: [1.6, 2.5], more: [2.5, Infinity] };
  const within = (cost, name) => cost !== '' && costs[name][0] <= Number(cost) && Number(cost) < costs[name][1];

  const tests = {
    text: (card, text) => card.textContent.toLowerCase().includes(text.trim().toLowerCase()),
    effect: (card, effect) => card.dataset.effect === effect,
    acts: (card, kind) => words(card, 'acts').includes(kind),
    cost: (card, name) => (name === 'unknown' ? card.dataset.cost === '' : within(card.dataset.cost, name)),
    needs: (card, need) => (card.dataset.needs || 'nothing') === need,
    beside: (card, name) => card.dataset.name !== name && !words(card, 'not').includes(name),
  };

  function filter() {
    const asked = Object.keys(tests).filter(k => form.elements[k].value.trim());
    for (const card of cards) card.hidden = !asked.every(k => tests[k](card, form.elements[k].value));
    for (const group of root.querySelectorAll('section')) group.hidden = !group.querySelector('article:not([hidden])');
    const n = cards.filter(card => !card.hidden).length;
    form.querySelector('output').value = n
      ? `${n} of ${cards.length} tricks`
      : 'No trick is like that: take a wish back.';
  }

  form.addEventListener('input', filter);
  form.addEventListener('reset', () => setTimeout(filter));
  form.addEventListener('submit', event => event.preventDefault());
  form.hidden = false;
  filter();
})();
