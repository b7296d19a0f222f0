// Updates a page in place from a newer version, so that the focus, typed text and open details stay. ES5.
(function (button) {
  // Parses a page into a document that loads and runs nothing; null if the engine cannot.
  button.parsePage = function (text) {
    var page = null;
    try {
      page = new window.DOMParser().parseFromString(text, 'text/html');
    } catch (error) { /* not supported */ }
    if (!page) { // engines of 2011
      page = document.implementation.createHTMLDocument('');
      page.open();
      page.write(text);
      page.close();
    }
    return page;
  };

  function isKept(node) {
    return node.nodeName === 'NOSCRIPT' || (node.nodeType === 1 && node.getAttribute('data-keep') !== null);
  }

  function isAlike(node, newer) {
    return node.nodeName === newer.nodeName && node.id === newer.id;
  }

  function morphAttributes(element, newer) {
    var i, name;
    for (i = element.attributes.length - 1; i >= 0; i -= 1) {
      name = element.attributes[i].name;
      if (name !== 'open' && newer.getAttribute(name) === null) { element.removeAttribute(name); }
    }
    for (i = 0; i < newer.attributes.length; i += 1) {
      name = newer.attributes[i].name;
      if (element.getAttribute(name) !== newer.attributes[i].value) {
        element.setAttribute(name, newer.attributes[i].value);
      }
    }
  }

  // Makes the children of an element like those of its newer version.
  button.morphChildren = function (element, newer) {
    var i = 0, child, wanted;
    while (element.childNodes[i] || newer.childNodes[i]) {
      child = element.childNodes[i];
      wanted = newer.childNodes[i];
      if (!wanted) {
        element.removeChild(child);
      } else {
        if (!child) {
          element.appendChild(document.importNode(wanted, true));
        } else if (!isAlike(child, wanted)) {
          element.replaceChild(document.importNode(wanted, true), child);
        } else if (child.nodeType !== 1) {
          if (child.nodeValue !== wanted.nodeValue) { child.nodeValue = wanted.nodeValue; }
        } else if (!isKept(child)) {
          morphAttributes(child, wanted);
          button.morphChildren(child, wanted);
        }
        i += 1;
      }
    }
  };
})(window.theButton);
