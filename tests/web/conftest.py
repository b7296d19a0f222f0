"""Fixtures for the app in the test's process."""

import pytest
from site_app import Site, SiteVisitor


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory):
    """A site shared by the tests of a module that do not depend on its state."""
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.close()


@pytest.fixture
def open_site(tmp_path):
    """Returns a function that opens a site with settings, which is closed after the test."""
    sites = []

    def open_site(**settings):
        sites.append(Site(tmp_path, **settings))
        return sites[-1]

    yield open_site
    for site in sites:
        site.close()


@pytest.fixture
def site(open_site):
    """A site for one test."""
    return open_site()


@pytest.fixture
def admin(site):
    """A visitor who has signed in to the test's site."""
    site.ensure_password()
    visitor = SiteVisitor(site)
    assert visitor.sign_in().status_code == 302
    return visitor
