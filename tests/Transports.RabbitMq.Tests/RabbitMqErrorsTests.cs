using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Postrider.Transports.RabbitMq.Tests;

/// <summary>What is worth trying again after the broker has closed a channel, by the words of RabbitMQ 3.10 and 4.3.</summary>
public sealed class RabbitMqErrorsTests
{
    [Theory]
    [InlineData(406, "PRECONDITION_FAILED - stream queue 'a' in vhost '/' does not have a replica on the local node", TransportError.Unavailable)]
    [InlineData(406, "PRECONDITION_FAILED - stream queue 'a' in vhost '/' does not have a running replica on the local node", TransportError.Unavailable)]
    [InlineData(406, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out", TransportError.Timeout)]
    [InlineData(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'a' in vhost '/'", TransportError.TopologyMismatch)]
    [InlineData(406, "PRECONDITION_FAILED - unknown delivery tag 7", TransportError.Other)]
    [InlineData(404, "NOT_FOUND - no queue 'a' in vhost '/'", TransportError.QueueNotFound)]
    public void A_closed_channel_tells_why(ushort code, string text, TransportError reason)
    {
        var error = RabbitMqErrors.Closed(new ShutdownEventArgs(ShutdownInitiator.Peer, code, text), "read 'a'", "localhost");

        Assert.Equal(reason, error.Reason);
        Assert.Contains(text, error.Message, StringComparison.Ordinal);
    }
}
