"""Fixtures for the app in the test process."""

import pytest
from site_app import Site, SiteVisitor


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory):
    """A site shared by a module's tests that do not depend on its state."""
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.close()


@pytest.fixture
def open_site(tmp_path):
    """A function that opens a site with the given settings. Sites are closed after the test."""
    sites = []

    def open_site(**settings):
        sites.append(Site(tmp_path, **settings))
        return sites[-1]

    yield open_site
    for site in sites:
        site.close()


@pytest.fixture
def site(open_site):
    """A site for a single test."""
    return open_site()


@pytest.fixture
def admin(site):
    """A visitor who is signed in to the test's site."""
    site.ensure_password()
    visitor = SiteVisitor(site)
    assert visitor.sign_in().status_code == 302
    return visitor
