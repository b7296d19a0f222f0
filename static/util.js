// Helpers of all scripts. ES5.
(function (button) {
  // A query parameter of the page, '' without a value, or null if it is missing.
  button.query = function (name) {
    var found = new RegExp('[?&]' + name + '(=([^&]*))?(&|$)').exec(location.search);
    try {
      return found ? decodeURIComponent(found[2] || '') : null;
    } catch (error) {
      return '';
    }
  };

  // Gets a preference of this browser, or sets it to `value`; null if it is not set or cannot be read.
  button.preference = function (name, value) {
    try {
      if (value === undefined) { return localStorage.getItem('theButton.' + name); }
      localStorage.setItem('theButton.' + name, value);
    } catch (error) { /* no storage, or blocked: the preference lasts until the page is closed */ }
    return null;
  };

  // Draws a decoration: an engine that cannot must still show the number and sound the horn.
  button.attempt = function (draw) {
    try {
      return draw();
    } catch (error) {
      return null;
    }
  };

  // Adds or removes a class of an element; works without classList.
  button.toggleClass = function (element, name, on) {
    var rest = (' ' + element.className + ' ').replace(' ' + name + ' ', ' ');
    element.className = (rest + (on ? name : '')).replace(/^ +| +$/g, '');
  };

  button.byId = function (id) { return document.getElementById(id); };

  // Works also after a browser's translation, which wraps text in additional elements.
  button.setText = function (element, text) {
    if ('textContent' in element) {
      element.textContent = text;
    } else if (element.firstChild) {
      element.firstChild.nodeValue = text;
    } else {
      element.appendChild(document.createTextNode(text));
    }
  };

  // Appends an element with a text to `parent` and returns it.
  button.append = function (parent, tag, text) {
    var element = document.createElement(tag);
    button.setText(element, text);
    return parent.appendChild(element);
  };

  // A Date as HH:MM.
  button.clock = function (date) {
    return ('0' + date.getHours()).slice(-2) + ':' + ('0' + date.getMinutes()).slice(-2);
  };
})(window.theButton);
