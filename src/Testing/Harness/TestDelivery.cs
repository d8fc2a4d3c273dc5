using Postrider.Core.Transport;

namespace Postrider.Testing.Harness;

/// <summary>A delivery that comes from no broker.</summary>
internal sealed class TestDelivery(string queue, Envelope envelope, int redeliveries) : Delivery(queue, envelope, redeliveries);
