namespace Postrider.Core.Tests;

public sealed class TransportExceptionTests
{
    [Theory]
    [InlineData(TransportError.Unavailable, true, false, 69)]
    [InlineData(TransportError.Timeout, true, false, 69)]
    [InlineData(TransportError.CredentialsRefused, false, true, 77)]
    [InlineData(TransportError.NotTrusted, false, true, 77)]
    [InlineData(TransportError.TopologyMismatch, false, true, 78)]
    [InlineData(TransportError.SchemaMismatch, false, true, 78)]
    [InlineData(TransportError.QueueNotFound, false, false, 69)]
    [InlineData(TransportError.Other, false, false, 69)]
    public void Each_reason_says_whether_to_wait_and_how_to_exit(TransportError reason, bool transient, bool fatal, int exitCode)
    {
        var inner = new TimeoutException();
        var exception = new TransportException("what", reason, inner);

        Assert.Equal(reason, exception.Reason);
        Assert.Equal((transient, fatal, exitCode), (exception.IsTransient, exception.IsFatal, exception.ExitCode));
        Assert.Equal("what", exception.Message);
        Assert.Same(inner, exception.InnerException);
    }

    [Fact]
    public void No_reason_is_forgotten_above() => Assert.Equal(8, Enum.GetValues<TransportError>().Length);
}
