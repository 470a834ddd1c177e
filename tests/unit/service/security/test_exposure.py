import pytest

from takt.core.errors import ConfigurationError
from takt.security.exposure import check_exposure


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_server_without_keys_may_listen_on_its_own_machine(host: str) -> None:
    check_exposure(host, knows_callers=False, insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.7", "takt.plant.example", "fe80::1"])
def test_for_others_it_listens_with_keys_or_where_it_is_told_that_this_is_insecure(
    host: str,
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_exposure(host, knows_callers=False, insecure=False)
    message = str(refused.value)
    assert "\n" not in message
    assert "takt keys add" in message and "--insecure" in message
    check_exposure(host, knows_callers=True, insecure=False)
    check_exposure(host, knows_callers=False, insecure=True)
