// Helpers for all scripts. ES5.
(function (button) {
  // The value of a query parameter of the page, '' if it has no value, or null if it is missing.
  button.query = function (name) {
    var found = new RegExp('[?&]' + name + '(=([^&]*))?(&|$)').exec(location.search);
    try {
      return found ? decodeURIComponent(found[2] || '') : null;
    } catch (error) {
      return '';
    }
  };

  // Returns a preference stored in this browser, or null if it is not set or cannot be read. Sets it if
  // `value` is passed.
  button.preference = function (name, value) {
    try {
      if (value === undefined) { return localStorage.getItem('theButton.' + name); }
      localStorage.setItem('theButton.' + name, value);
    } catch (error) { /* no storage, or blocked: the preference is lost when the page is closed */ }
    return null;
  };

  // Draws a decoration and ignores errors, so that every engine shows the number and sounds the horn.
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

  // Sets the text of an element, even if the browser's translation has wrapped it in additional elements.
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
